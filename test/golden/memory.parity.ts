import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { GeneratedTensors } from '../../scripts/generated-tensors.ts';
import { createLogger } from '../../src/common/logger.ts';
import { convertGraph } from '../../src/convert/convert-model.ts';
import { buildNetwork, parseArchitecture } from '../../src/convert/network.ts';
import { readZoo } from '../../src/registry/zoo.ts';
import { EnginePool } from '../../src/serving/engine-pool.ts';
import { ModelServing } from '../../src/serving/model-serving.ts';
import { SHARED_ABSENT, sharedPath } from '../shared-data.ts';

/** A full-size model is loaded and unloaded five times; its memory is freed each time. */
const SIZE = [224, 224] as const;
const ROUNDS = 5;
/** Allowed ratio of the memory after the last round to that after the first. */
const GROWTH = 1.15;

const golden = sharedPath('golden/resnet50.json');
const onLinux = process.platform === 'linux';
let folder: string;
let pool: EnginePool;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-memory-'));
  pool = new EnginePool({ size: 2, threads: 2, logger: createLogger('silent') });
});
afterAll(async () => {
  await pool.close(5_000);
  await rm(folder, { recursive: true });
});

if (golden === undefined) test.skip(SHARED_ABSENT, () => {});

test.skipIf(golden === undefined || !onLinux)('ResNet-50 frees its memory', async () => {
  const { prefix, tensors } = JSON.parse(await readFile(golden ?? '', 'utf8'));
  const scaling = { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] };
  const large = buildNetwork(parseArchitecture('resnet50'), new GeneratedTensors(prefix, tensors), {
    ...scaling,
    inputSize: SIZE,
    numClasses: 1000,
  });
  const converted = { key: 'resnet50', ...(await convertGraph(large, join(folder, 'resnet50'))) };
  const [seed] = (await readZoo('zoo')).models;
  if (seed === undefined) throw new Error('the zoo is empty');
  const preprocessing = { ...seed.manifest.preprocessing, inputSize: SIZE };
  const model = { ...seed, name: 'resnet50', manifest: { ...seed.manifest, preprocessing } };
  const serving = new ModelServing({
    conversions: { get: async () => converted, verified: async () => converted },
    engines: pool,
    threads: 1,
    cores: 2,
    maxBatchSize: 8,
    maxDelayMs: 0,
    queueLimit: 64,
    memoryBytes: 1e9,
    isPinned: () => false,
    onBatch: () => {},
    onEviction: () => {},
  });
  const left: number[] = [];
  const held: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await serving.load(model);
    await serving.use(model, 'onnx', (queue) => {
      const black = new Uint8Array(SIZE[0] * SIZE[1] * 3);
      const run = () => queue.submit(black, { priority: 'bulk', outputs: ['probabilities'] });
      return Promise.all(Array.from({ length: 16 }, run));
    });
    held.push(residentBytes());
    await serving.unload(model);
    left.push(residentBytes());
  }
  await serving.close();
  const [first = 0] = left;
  expect(left.at(-1)).toBeLessThan(GROWTH * first);
  expect(held.at(-1)).toBeLessThan(GROWTH * (held[0] ?? 0));
  // Two engines without a model need less than one with it.
  expect(first).toBeLessThan((held[0] ?? 0) / 2);
});

/** Memory of all engines, measured by the system. */
function residentBytes(): number {
  return pool.report().reduce((sum, { pid }) => {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return sum + 1024 * Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0);
  }, 0);
}
