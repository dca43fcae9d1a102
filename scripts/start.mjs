// What `npm start` runs: compiles what has changed, then serves from this very process. Plain JavaScript, since nothing is
// compiled before it.
//
// Its flag, in package.json, lets V8's old generation grow to 128 MB before the whole heap is marked. By default that happens
// once or twice a second under load, as the bytes of photos count while the server's own 25 MB hardly change: 7 % of all CPU.
// The price is 55 MB of memory.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { buildPage } from './build-page.mjs';

/** How soon the end of the shell is noticed, in milliseconds. */
const CHECK_MS = 250;

const root = fileURLToPath(new URL('..', import.meta.url));
const compiler = spawn(process.execPath, ['node_modules/typescript/bin/tsc', '--build'], {
  cwd: root,
  stdio: 'inherit',
});
const [[status], built] = await Promise.all([once(compiler, 'exit'), buildPage(root)]);
if (status !== 0) process.exit(status ?? 1);
if (!built) console.error('The page could not be built: / leads to /docs instead.');

// npm passes SIGTERM to the shell between itself and this process; some shells die of it and tell nobody.
if (process.env.npm_lifecycle_event === 'start') {
  const shell = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === shell) return;
    clearInterval(timer);
    process.kill(process.pid, 'SIGTERM');
  }, CHECK_MS);
  timer.unref();
}

await import('../dist/src/main.js');
