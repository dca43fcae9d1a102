import { afterAll, beforeAll, expect, test } from 'vitest';
import { runFuzz } from '../../scripts/fuzz/run-fuzz.ts';
import { type ServerProcess, startServer, temporaryDataDir, untilReady } from '../../scripts/server-process.ts';

let data: Awaited<ReturnType<typeof temporaryDataDir>>;
let server: ServerProcess;

beforeAll(async () => {
  data = await temporaryDataDir();
  server = await startServer(data.path);
  await untilReady(server);
});

afterAll(async () => {
  server.child.kill('SIGTERM');
  await server.exit;
  await data.remove();
});

test('damaged images and tensors are answered with results or client errors', async () => {
  const { faults, statuses } = await runFuzz(server, { images: 200, tensors: 100, seed: 1 });
  expect(faults).toEqual([]);
  // Some are harmless enough to be classified, most are refused.
  expect(statuses['200']).toBeGreaterThan(10);
  expect(statuses['422']).toBeGreaterThan(30);
  expect(statuses['400']).toBeGreaterThan(30);
}, 120_000);
