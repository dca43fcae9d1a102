// Compiles and bundles the code, builds the page and puts ONNX Runtime beside them, each only if its sources are not those
// of the last build. It is plain JavaScript, because it runs before anything is compiled.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { completeOfflinePage } from './offline-page.mjs';
import { bundleOnnxRuntime, canBundleOnnxRuntime, ONNX_RUNTIME } from './onnx-runtime.mjs';

/** The folder of package.json. */
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const COMPILER = 'node_modules/typescript/bin/tsc';
const PAGE_BUNDLER = 'node_modules/vite/bin/vite.js';
/** What is built: its sources, a file that it makes last, and where the digest of the sources is kept. */
const CODE = { sources: ['src', 'scripts', 'tsconfig.json', 'package-lock.json'], made: 'dist/bundle/main.js' };
const PAGE = {
  sources: ['src/web', 'src/image/crop.ts', 'src/image/resample.ts', 'scripts/offline-page.mjs', 'package-lock.json'],
  made: 'dist/web/index.html',
};
const DIGESTS = 'dist/.sources.json';
const PAGES = 'dist/web';
/** What the compression of a file is written to, beside the file. */
const COMPRESSORS = {
  '.gz': (bytes) => promisify(gzip)(bytes, { level: constants.Z_BEST_COMPRESSION }),
  // One step below the best, which takes five times as long and saves 1 %.
  '.br': (bytes) => promisify(brotliCompress)(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 10 } }),
};

/**
 * Builds what has changed. What is wrong is on standard error.
 * @returns {Promise<number>} the exit code: 0 when the code is there, though the page may be missing
 */
export async function build() {
  const wanted = { code: digestOf(CODE), page: digestOf(PAGE), runtime: digestOf(ONNX_RUNTIME) };
  const built = readDigests();
  const changed = {
    code: wanted.code !== built.code || !existsSync(join(ROOT, CODE.made)),
    page: wanted.page !== built.page || !existsSync(join(ROOT, PAGE.made)),
    runtime: wanted.runtime !== built.runtime || !existsSync(join(ROOT, ONNX_RUNTIME.made)),
  };
  if ((changed.code && !existsSync(join(ROOT, COMPILER))) || (changed.runtime && !canBundleOnnxRuntime(ROOT))) {
    console.error(
      'Menagerie is not built, and what builds it is not installed, as in every installation for production: ' +
        'type "npm ci --include=dev && npm start".',
    );
    return 1;
  }
  if (changed.runtime) bundleOnnxRuntime(ROOT);
  const [status, hasPage] = await Promise.all([changed.code ? compile() : 0, changed.page ? bundlePage() : true]);
  if (!hasPage) console.error('The page could not be built: / leads to /docs instead.');
  const done = {
    code: status === 0 ? wanted.code : undefined,
    page: hasPage ? wanted.page : undefined,
    runtime: wanted.runtime,
  };
  if (Object.values(changed).includes(true) && existsSync(join(ROOT, 'dist'))) {
    writeFileSync(join(ROOT, DIGESTS), JSON.stringify(done));
  }
  return status;
}

async function compile() {
  const status = await run(COMPILER, ['--build']);
  if (status !== 0) return status;
  removeStale();
  return run('scripts/bundle.mjs', []);
}

async function bundlePage() {
  if ((await run(PAGE_BUNDLER, ['build', '--config', 'src/web/vite.config.ts', '--logLevel', 'warn'])) !== 0)
    return false;
  completeOfflinePage(join(ROOT, PAGES));
  await compressAssets(join(ROOT, PAGES, 'assets'));
  return true;
}

/** Runs a program of a package. Settles with its exit code. */
function run(program, args) {
  const child = spawn(process.execPath, [program, ...args], { cwd: ROOT, stdio: 'inherit' });
  return new Promise((resolve) => {
    child.once('error', () => resolve(1));
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

/** Removes what was compiled from sources that are gone: it would be packed, and taken for code that runs. */
function removeStale() {
  for (const folder of ['src', 'scripts']) {
    for (const path of filesIn(join('dist', folder))) {
      const source = path.slice('dist/'.length).replace(/(?:\.d\.ts|\.js)$/, '.ts');
      if (!existsSync(join(ROOT, source))) rmSync(join(ROOT, path));
    }
  }
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

/** SHA-256 of names and contents. Times say nothing after `git checkout`, a copy or an unpacked archive. */
function digestOf({ sources }) {
  const hash = createHash('sha256');
  for (const source of sources) {
    const files = statSync(join(ROOT, source)).isDirectory() ? filesIn(source) : [source];
    for (const file of files.sort()) hash.update(`${file}\0`).update(readFileSync(join(ROOT, file)));
  }
  return hash.digest('hex');
}

/** Files in a folder and its folders, by their paths from the folder of package.json, with slashes. */
function filesIn(folder) {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(ROOT.length).replaceAll('\\', '/'));
}

/** Digests of the sources of what is built. */
function readDigests() {
  try {
    return JSON.parse(readFileSync(join(ROOT, DIGESTS), 'utf8'));
  } catch {
    return {};
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await build();
