// Builds the page if its sources are newer than the build, and compresses its scripts and styles for browsers. It is
// plain JavaScript, because `npm start` runs it before anything is compiled.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

/** Sources of the page. */
const SOURCES = ['src/web', 'src/image/crop.ts', 'src/image/resample.ts', 'package-lock.json'];
const BUILT = 'dist/web/index.html';
const ASSETS = 'dist/web/assets';
/** What the compression of a file is written to, beside the file. */
const COMPRESSORS = {
  '.gz': (bytes) => promisify(gzip)(bytes, { level: constants.Z_BEST_COMPRESSION }),
  // One step below the best, which takes five times as long and saves 1 %.
  '.br': (bytes) => promisify(brotliCompress)(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 10 } }),
};

/**
 * @param {string} root the folder of package.json
 * @returns {Promise<boolean>} false if the page could not be built; the reason is on standard error
 */
export async function buildPage(root) {
  if (existsSync(join(root, BUILT)) && newest(root) <= statSync(join(root, BUILT)).mtimeMs) return true;
  const args = ['node_modules/vite/bin/vite.js', 'build', '--config', 'src/web/vite.config.ts', '--logLevel', 'warn'];
  const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' });
  const built = await new Promise((resolve) => {
    child.once('error', () => resolve(false));
    child.once('exit', (code) => resolve(code === 0));
  });
  if (built) await compressAssets(join(root, ASSETS));
  return built;
}

/** Writes a gzip and a brotli beside each text, where they are smaller. */
async function compressAssets(folder) {
  const texts = readdirSync(folder).filter((name) => /\.(?:js|css|svg|json|wasm)$/.test(name));
  await Promise.all(
    texts.flatMap((name) =>
      Object.entries(COMPRESSORS).map(async ([ending, compress]) => {
        const bytes = readFileSync(join(folder, name));
        const compressed = await compress(bytes);
        if (compressed.length < bytes.length) writeFileSync(join(folder, name + ending), compressed);
      }),
    ),
  );
}

/** Time of the last change of the sources, in milliseconds. A folder changes when a file is added or removed. */
function newest(root) {
  const times = SOURCES.flatMap((source) => {
    const path = join(root, source);
    const inside = statSync(path).isDirectory() ? readdirSync(path, { recursive: true }) : [];
    return [path, ...inside.map((name) => join(path, name))].map((each) => statSync(each).mtimeMs);
  });
  return Math.max(...times);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = (await buildPage('.')) ? 0 : 1;
