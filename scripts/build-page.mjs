// Builds the page if its sources are newer than the build. It is plain JavaScript, because `npm start` runs it before
// anything is compiled.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Sources of the page. */
const SOURCES = ['src/web', 'src/image/crop.ts', 'src/image/resample.ts', 'package-lock.json'];
const BUILT = 'dist/web/index.html';

/**
 * @param {string} root the folder of package.json
 * @returns {Promise<boolean>} false if the page could not be built; the reason is on standard error
 */
export async function buildPage(root) {
  if (existsSync(join(root, BUILT)) && newest(root) <= statSync(join(root, BUILT)).mtimeMs) return true;
  const args = ['node_modules/vite/bin/vite.js', 'build', '--config', 'src/web/vite.config.ts', '--logLevel', 'warn'];
  const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' });
  return new Promise((resolve) => {
    child.once('error', () => resolve(false));
    child.once('exit', (code) => resolve(code === 0));
  });
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
