// What `npm start` runs: builds what has changed, then serves from this process. It is plain JavaScript, since
// nothing is built before it.
//
// The command in package.json is `exec node ... || node ...`: `exec` replaces the shell between npm and this process,
// which would die of a SIGTERM that npm passes on without passing it on itself. On Windows, whose shell has no
// `exec`, the second half runs.
//
// `--initial-old-space-size=128` lets V8's old generation grow to 128 MB before the whole heap is marked. By default
// that happens once or twice a second under load, as the bytes of photos count while the server's own 25 MB hardly
// change: 7 % of all CPU. The price is 55 MB of memory.
import { build } from './build.mjs';

// As PID 1 of a container a process ignores signals that it does not handle.
const interrupt = (_signal, number) => process.exit(128 + number);
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, interrupt);

const status = await build();
if (status !== 0) process.exit(status);

for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, interrupt);
await import('../dist/bundle/main.js');
