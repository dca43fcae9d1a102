import { expect, test } from 'vitest';
import { runFuzz } from '../../scripts/fuzz/run-fuzz.ts';
import { withServer } from './own-server.ts';

const server = withServer();

test('damaged images and tensors are answered with results or client errors', async () => {
  const { faults, statuses } = await runFuzz(server, { images: 200, tensors: 100, seed: 1 });
  expect(faults).toEqual([]);
  // Some are harmless enough to be classified, most are refused.
  expect(statuses['200']).toBeGreaterThan(10);
  expect(statuses['422']).toBeGreaterThan(30);
  expect(statuses['400']).toBeGreaterThan(30);
});
