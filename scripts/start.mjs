// What `npm start` runs: compiles what has changed, then serves from this very process, so that a signal sent to it
// (by a terminal, npm, systemd or Docker) reaches the server. Plain JavaScript, since nothing is compiled before it.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const { status } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '--build'], {
  cwd: root,
  stdio: 'inherit',
});
if (status !== 0) process.exit(status ?? 1);
await import('../dist/src/main.js');
