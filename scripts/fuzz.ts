/**
 * Sends damaged images to /classify and /explain, and damaged tensors to /v2/models/{id}/infer:
 * npm run fuzz [-- --images 20000 --tensors 5000 --seed 1]
 *
 * Exits with 1 when an answer was a 5xx or neither a result nor a problem, when a connection was reset or a request
 * hung, when the server or an engine died, or when they grew in memory. `--only image/123` sends one input again.
 */
import { parseArgs } from 'node:util';
import { runFuzz } from './fuzz/run-fuzz.ts';
import { ProgressBar } from './progress-bar.ts';
import { startServer, temporaryDataDir, untilReady } from './server-process.ts';

const { values } = parseArgs({
  options: {
    images: { type: 'string', default: '20000' },
    tensors: { type: 'string', default: '5000' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
  },
});

const data = await temporaryDataDir();
const server = await startServer(data.path);
const bar = new ProgressBar('inputs');
try {
  await untilReady(server);
  const start = performance.now();
  const { statuses, faults, memory } = await runFuzz(server, {
    images: Number(values.images),
    tensors: Number(values.tensors),
    seed: Number(values.seed),
    only: values.only,
    onProgress: (done, total, wrong) => bar.update(done, total, `${wrong} faults`),
  });
  bar.end();
  const megabytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MB`;
  console.log(`${Math.round((performance.now() - start) / 1000)} s; answers by status: ${JSON.stringify(statuses)}`);
  console.log(`memory of server and engines: ${megabytes(memory.before)} before, ${megabytes(memory.after)} after`);
  for (const { input, fault } of faults) console.log(`${input} (seed ${values.seed}): ${fault}`);
  console.log(faults.length === 0 ? 'no faults' : `${faults.length} faults`);
  process.exitCode = faults.length === 0 ? 0 : 1;
} finally {
  server.child.kill('SIGTERM');
  await server.exit;
  await data.remove();
}
