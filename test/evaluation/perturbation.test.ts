import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testPerturbation } from '../../src/evaluation/perturbation.ts';
import { preprocessImage } from '../../src/image/preprocess.ts';
import { parseLabels } from '../../src/registry/labels.ts';
import type { ModelVersion } from '../../src/registry/registry.ts';
import { parseManifest } from '../../src/registry/resolve-manifest.ts';
import type { Batcher } from '../../src/serving/batcher.ts';
import { picture } from '../image/pictures.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-perturbation-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const preprocess = (bytes: Uint8Array, recipe: Parameters<typeof preprocessImage>[1]) =>
  preprocessImage(bytes, recipe, 50_000_000);

describe('the perturbation test of a network that looks at the brightness of the upper left quarter', () => {
  const SIDE = 64;
  const model: ModelVersion = {
    name: 'corner',
    version: 1,
    manifest: parseManifest(readFileSync('zoo/resnet18_slim.tiny200/manifest.json', 'utf8'), () =>
      parseLabels(readFileSync('zoo/labels/tiny200.json', 'utf8')),
    ),
    files: async () => ({ weightsPath: '' }),
  };

  /** A queue whose first class is as probable as that quarter is bright, and which returns the given explanation. */
  function queue(explanation: readonly number[]): Pick<Batcher, 'submit'> {
    return {
      submit: async (pixels) => {
        let sum = 0;
        for (let y = 0; y < SIDE / 2; y += 1) {
          for (let x = 0; x < SIDE / 2; x += 1) sum += pixels[(y * SIDE + x) * 3] ?? 0;
        }
        const probabilities = Float32Array.of(sum / (255 * (SIDE / 2) ** 2), 0);
        const outputs = { probabilities, explanation: Float32Array.from(explanation) };
        return { outputs, queueMs: 0, inferenceMs: 0, batchSize: 1 };
      },
    };
  }

  async function result(explanation: readonly number[], greys: readonly number[] = [150, 200, 250]) {
    const path = await mkdtemp(join(folder, 'images-'));
    for (const grey of greys) {
      const bright = picture(SIDE, SIDE, (x, y) => (x < 32 && y < 32 ? [grey, grey, grey] : [0, 0, 0]));
      await writeFile(join(path, `${grey}.png`), await bright.png().toBuffer());
    }
    await writeFile(join(path, 'notes.txt'), 'no image');
    const parts = { converted: async () => ({ activationShape: [4, 4, 1] as const }), preprocess };
    const request = { model, path, images: 10, draws: 6, seed: 1 };
    return await testPerturbation({ ...parts, queue: queue(explanation) }, request);
  }

  it('finds a larger drop than a random patch when the explanation is right', async () => {
    const right = [3, 3, 1, 0, 3, 3, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0];
    const { images, unreadable, hottest, random, moved, gain } = await result(right);
    expect([images, unreadable]).toEqual([3, 1]);
    expect(hottest.mean).toBeGreaterThan(2 * random.mean);
    expect(hottest.mean).toBeGreaterThan(2 * moved.mean);
    expect(gain.mean - gain.margin).toBeGreaterThan(0.1);
  });

  it('finds a smaller drop when it is wrong', async () => {
    const wrong = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 3, 3];
    const { hottest, gain } = await result(wrong);
    expect(hottest.mean).toBeCloseTo(0, 5);
    expect(gain.mean).toBeLessThan(0);
  });

  it('gives the same result for the same seed', async () => {
    const explanation = Array.from({ length: 16 }, (_, cell) => cell % 5);
    expect(await result(explanation)).toEqual(await result(explanation));
  });

  it('refuses files that are no images', async () => {
    await expect(result([], [])).rejects.toThrow('has no image that can be read');
  });
});
