/** Sends damaged images and tensors to the server, and fails when it does anything but answer them. */

import { ProgressBar } from '../src/command/progress-bar.ts';
import { readCommandLine, wholeNumber } from './command-line.ts';
import { runFuzz } from './fuzz/run-fuzz.ts';
import { startServer, temporaryDataDir, untilReady } from './server-process.ts';

const USAGE = `usage: npm run fuzz -- [options]

Starts the server as a process, sends damaged images to /classify and /explain and damaged
tensors to /v2/models/<name>/infer, and prints the answers by status. Exits with 1 when an answer
is a 5xx, or neither a result nor a problem; when a connection is reset or a request hangs; when
the server or an engine dies, or when they grow in memory.

  --images <n>     images (default: 20000)
  --tensors <n>    tensor bodies (default: 5000)
  --seed <n>       seed of the inputs (default: 1)
  --only <input>   sends one input again, such as image/123`;

const options = readCommandLine(
  USAGE,
  {
    images: { type: 'string', default: '20000' },
    tensors: { type: 'string', default: '5000' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
  },
  ({ values }) => ({
    images: wholeNumber('--images', values.images, 0),
    tensors: wholeNumber('--tensors', values.tensors, 0),
    seed: wholeNumber('--seed', values.seed, 0),
    only: values.only,
  }),
);

const data = await temporaryDataDir();
const server = await startServer(data.path);
const bar = new ProgressBar('inputs');
try {
  await untilReady(server);
  const start = performance.now();
  const { statuses, faults, memory } = await runFuzz(server, {
    ...options,
    onProgress: (done, total, wrong) => bar.update(done, total, `${wrong} faults`),
  });
  bar.end();
  const megabytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MB`;
  console.log(`${Math.round((performance.now() - start) / 1000)} s; answers by status: ${JSON.stringify(statuses)}`);
  console.log(`memory of server and engines: ${megabytes(memory.before)} before, ${megabytes(memory.after)} after`);
  for (const { input, fault } of faults) console.log(`${input} (seed ${options.seed}): ${fault}`);
  console.log(faults.length === 0 ? 'no faults' : `${faults.length} faults`);
  process.exitCode = faults.length === 0 ? 0 : 1;
} finally {
  server.child.kill('SIGTERM');
  await server.exit;
  await data.remove();
}
