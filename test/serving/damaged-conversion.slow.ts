import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createLogger } from '../../src/common/logger.ts';
import type { ModelVersion } from '../../src/registry/registry.ts';
import { readZoo } from '../../src/registry/zoo.ts';
import type { AnswerName, RuntimeName } from '../../src/runtime/session.ts';
import { ConversionCache } from '../../src/serving/conversion-cache.ts';
import { EnginePool } from '../../src/serving/engine-pool.ts';
import { ModelServing } from '../../src/serving/model-serving.ts';

const logger = createLogger('silent');
const found = (await readZoo('zoo')).models.find(({ name }) => name === 'resnet18_slim.tiny200');
if (found === undefined) throw new Error('the embedded ResNet is missing');
const model: ModelVersion = found;
const [height, width] = model.manifest.preprocessing.inputSize;
const pixels = Uint8Array.from({ length: height * width * 3 }, (_, i) => (i * 37) % 256);

/** A conversion that each test gets a copy of. */
let sound: string;
let key: string;
let folder: string;
let engines: EnginePool;
let serving: ModelServing;

beforeAll(async () => {
  sound = await mkdtemp(join(tmpdir(), 'menagerie-sound-'));
  ({ key } = await new ConversionCache(sound, logger).get(model));
});
afterAll(() => rm(sound, { recursive: true }));

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-damaged-'));
  await cp(sound, folder, { recursive: true });
  engines = new EnginePool({ size: 2, threads: 2, logger });
  serving = new ModelServing({
    conversions: new ConversionCache(folder, logger),
    engines,
    threads: 1,
    cores: 2,
    maxBatchSize: 4,
    maxDelayMs: 0,
    queueLimit: 16,
    memoryBytes: 2 ** 30,
    isPinned: () => false,
    onBatch: () => {},
    onEviction: () => {},
  });
});
afterEach(async () => {
  await serving.close();
  await engines.close(1_000);
  await rm(folder, { recursive: true });
});

/** Flips one bit in the middle of the first file of the conversion whose path matches. @returns its path */
async function damage(file: RegExp): Promise<string> {
  const name = (await readdir(join(folder, key), { recursive: true })).sort().find((each) => file.test(each)) ?? '';
  const path = join(folder, key, name);
  const bytes = await readFile(path);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  await writeFile(path, bytes);
  return name;
}

async function answer(runtime: RuntimeName, output: AnswerName): Promise<Float32Array | undefined> {
  const item = { priority: 'interactive', outputs: [output] } as const;
  const { outputs } = await serving.use(model, runtime, (queue) => queue.submit(pixels, item));
  return outputs[output];
}

test.each([
  [/^model.onnx/, 'onnx', 'probabilities'],
  [/^explanation.onnx/, 'onnx', 'explanation'],
  [/model.json$/, 'tfjs', 'probabilities'],
  [/bin$/, 'tfjs', 'probabilities'],
  [/^conversion.json/, 'onnx', 'probabilities'],
] as const)('one flipped bit in %s is repaired, and the answer is right', async (file, runtime, output) => {
  const right = await answer(runtime, output);
  await serving.release(model);
  const name = await damage(file);
  expect(await answer(runtime, output)).toEqual(right);
  expect((await readFile(join(folder, key, name))).equals(await readFile(join(sound, key, name)))).toBe(true);
});

test('a file that is damaged while the model is served is repaired when an engine loads it again', async () => {
  const right = await answer('onnx', 'probabilities');
  await damage(/^model.onnx/);
  for (const { pid } of engines.report()) process.kill(pid ?? 0, 'SIGKILL');
  await expect.poll(() => engines.report().map(({ restarts }) => restarts)).toEqual([1, 1]);
  expect(await answer('onnx', 'probabilities')).toEqual(right);
});

test('an explanation is right although the file with its weights is overwritten while it is mapped', async () => {
  const right = await answer('onnx', 'explanation');
  const path = join(folder, key, 'model.onnx');
  await writeFile(path, Buffer.alloc((await stat(path)).size));
  expect(await answer('onnx', 'explanation')).toEqual(right);
  expect((await readFile(path)).equals(await readFile(join(sound, key, 'model.onnx')))).toBe(true);
});
