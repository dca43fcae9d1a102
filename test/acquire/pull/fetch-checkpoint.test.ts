import { createHash } from 'node:crypto';
import { cpSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ModelPuller } from '../../../src/acquire/pull/model-puller.ts';
import { SafetensorsFile } from '../../../src/convert/formats/safetensors/reader.ts';
import { readDownloadSettings } from '../../../src/download/settings.ts';
import { storage, tensor, zipForm } from '../../convert/formats/pytorch/checkpoints.ts';

/** Models whose weights are published as PyTorch checkpoints. */
const name = 'squeezenet1_1.tv_in1k';
const file = 'squeezenet1_1-b8a52dc0.pth';
let folder: string;
let checkpoint: Buffer;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pull-checkpoint-'));
  const weights = storage('FloatStorage', '0', Float32Array.of(1, 2, 3, 4, 5, 6));
  checkpoint = await zipForm(new Map([['features.0.weight', tensor(weights, [2, 3])]]), [weights]);
  cpSync('zoo/labels', join(folder, 'seed', 'labels'), { recursive: true });
  const manifest = JSON.parse(await readFile(`zoo/${name}/manifest.json`, 'utf8'));
  manifest.weights.source.sha256 = createHash('sha256').update(checkpoint).digest('hex');
  manifest.weights.source.size_bytes = checkpoint.length;
  await mkdir(join(folder, 'seed', name));
  await writeFile(join(folder, 'seed', name, 'manifest.json'), JSON.stringify(manifest));
  await mkdir(join(folder, 'mirror', 'models'), { recursive: true });
  await writeFile(join(folder, 'mirror', 'models', file), checkpoint);
});
afterEach(() => rm(folder, { recursive: true }));

function pull() {
  const puller = new ModelPuller({
    seedDir: join(folder, 'seed'),
    pulledDir: join(folder, 'data'),
    settings: () => readDownloadSettings({}),
    patience: { stallMs: 2_000, backoffMs: 1 },
  });
  const { signal } = new AbortController();
  return puller.pull(name, { mirror: join(folder, 'mirror'), onProgress: () => {}, signal });
}

describe('a checkpoint', () => {
  test('is converted to safetensors, whose digest goes into the lock file', async () => {
    const { model } = await pull();
    const { weightsPath } = await model.files();
    const bytes = await readFile(weightsPath);
    expect(model.manifest.file.weights.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
    const weights = await SafetensorsFile.open(weightsPath);
    expect(await weights.read('features.0.weight')).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
    await weights.close();
    expect(await readdir(join(folder, 'data', '.pulling'))).toEqual([]);
    expect((await pull()).fetched).toBe(false);
  });

  test('with another digest is refused', async () => {
    await writeFile(join(folder, 'mirror', 'models', file), checkpoint.fill(0, 100, 101));
    await expect(pull()).rejects.toThrow('is another file');
  });
});
