import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { digestFile } from '../../src/common/file-digest.ts';
import { seededRandom } from '../../src/common/random.ts';
import { fitZooDetector } from '../../src/evaluation/zoo-novelty.ts';
import { withFittedDetector } from '../../src/registry/zoo-novelty.ts';
import { Admission } from '../../src/serving/admission.ts';
import { model as embedded, fakePipeline } from '../answering/fake-pipeline.ts';

/** A model of three classes whose features are a vector for each class, with noise. */
const DIMENSION = 16;
const CLASSES = ['ant', 'bee', 'cat'];
const { manifest } = embedded;
const model = {
  ...embedded,
  manifest: {
    ...manifest,
    labels: CLASSES.map((label) => ({ label })),
    file: { ...manifest.file, num_classes: CLASSES.length, num_features: DIMENSION },
  },
};

let folder: string;
let images: string;
let pulledDir: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-zoo-novelty-'));
  images = join(folder, 'images');
  pulledDir = join(folder, 'zoo');
  for (const label of CLASSES) await photos(label, 10);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Files whose first byte is what they show, and whose second is the seed of the noise. */
async function photos(label: string, count: number): Promise<void> {
  await mkdir(join(images, label), { recursive: true });
  const shown = label === '_unknown' ? 9 : CLASSES.indexOf(label);
  for (let nth = 0; nth < count; nth++) {
    await writeFile(join(images, label, `${nth}.jpg`), Uint8Array.of(0xff, 0xd8, 0xff, shown, nth));
  }
}

function featuresOf(shown: number, nth: number): Float32Array {
  const place = seededRandom(shown, 1);
  const noise = seededRandom(100 * shown + nth, 2);
  return Float32Array.from({ length: DIMENSION }, () => place.normal() + 0.1 * noise.normal());
}

const pipeline = fakePipeline(
  {},
  {
    admission: new Admission(100),
    preprocess: (bytes, _recipe, turn) =>
      turn(100, async () => ({ pixels: bytes.slice(3), width: 1, height: 1, format: 'png', warnings: [] })),
    use: (_model, _runtime, work) =>
      work({
        submit: async ([shown = 0, nth = 0]) => {
          // The head is as sure of other things as of its classes.
          const logits = Float32Array.from(CLASSES, (_, index) => (index === shown % 3 ? 5 : 0));
          const outputs = { features: featuresOf(shown, nth), logits };
          return { outputs, queueMs: 0, inferenceMs: 0, batchSize: 1 };
        },
      }),
  },
);

const fitted = () => fitZooDetector(pipeline, { model, path: images, pulledDir, signal: new AbortController().signal });

describe('a detector for a model of the zoo', () => {
  test('is fitted from images of its classes, lies beside it, and says how it does on images _unknown', async () => {
    await photos('_unknown', 8);
    const figures = await fitted();
    expect(figures).toMatchObject({ measured_on: 'unknown_images', detector: { auroc: 1, false_positives: 0 } });
    expect(figures.softmax?.auroc).toBe(0.5);
    const found = await withFittedDetector(model, pulledDir);
    expect(found.manifest.file.novelty).toMatchObject(figures);
    expect((await digestFile((await found.files()).noveltyPath ?? '')).sha256).toBe(
      found.manifest.file.novelty?.sha256,
    );
  });

  test('replaces the one before', async () => {
    await fitted();
    const before = await withFittedDetector(model, pulledDir);
    for (const label of CLASSES) await photos(label, 20);
    await fitted();
    const after = await withFittedDetector(model, pulledDir);
    expect((await after.files()).noveltyPath).not.toBe((await before.files()).noveltyPath);
    expect(await readdir(join(pulledDir, model.name))).toHaveLength(2);
  });

  test('is not that of other weights', async () => {
    await fitted();
    const weights = { ...manifest.file.weights, sha256: 'f'.repeat(64) };
    const other = { ...model, manifest: { ...model.manifest, file: { ...model.manifest.file, weights } } };
    expect(await withFittedDetector(other, pulledDir)).toBe(other);
  });

  test('needs five images of every class', async () => {
    await rm(join(images, 'cat'), { recursive: true });
    await photos('cat', 4);
    await expect(fitted()).rejects.toMatchObject({
      code: 'dataset_layout',
      message: expect.stringContaining('too few have 1 of 3 classes: "cat" (4)'),
    });
    expect(await readdir(folder)).toEqual(['images']);
  });
});
