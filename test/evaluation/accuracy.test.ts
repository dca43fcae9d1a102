import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Classification, ClassificationRequest } from '../../src/answering/image-classification.ts';
import { AppError } from '../../src/common/errors.ts';
import { type AccuracyRequest, measureAccuracy } from '../../src/evaluation/accuracy.ts';
import { ClassHierarchies } from '../../src/registry/class-hierarchy.ts';
import { conceptGraphReader, readZoo } from '../../src/registry/zoo.ts';
import { Admission } from '../../src/serving/admission.ts';
import { fakePipeline } from '../answering/fake-pipeline.ts';

const DOG = { synset: 'n02084071', label: 'dog', score: 0.8, depth: 13, path: [] };

describe('measureAccuracy', () => {
  let folder: string;
  let hierarchies: ClassHierarchies;
  beforeAll(async () => {
    hierarchies = new ClassHierarchies(await conceptGraphReader('zoo', () => {}));
    folder = await mkdtemp(join(tmpdir(), 'menagerie-accuracy-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** Measures a classifier for which the true class has a given rank; rank -1 is an image that cannot be read. */
  async function measure(ranks: Readonly<Record<string, readonly number[]>>, options: Partial<AccuracyRequest> = {}) {
    const [model] = (await readZoo('zoo')).models;
    if (model === undefined) throw new Error('the zoo is empty');
    const path = await mkdtemp(join(folder, 'images-'));
    for (const [name, images] of Object.entries(ranks)) {
      await mkdir(join(path, name));
      for (const [index, rank] of images.entries()) await writeFile(join(path, name, `${rank}_${index}.jpg`), '');
    }
    const classify = async ({ images, hierarchy, signal }: ClassificationRequest): Promise<Classification> => {
      const [image] = images;
      // As an image does that waits.
      signal.addEventListener('abort', () => undefined);
      const filename = image?.filename ?? '';
      const rank = Number.parseInt(basename(filename), 10);
      const index = model.manifest.labels.findIndex(({ label }) => label === basename(dirname(filename)));
      const predictions = Array.from({ length: 5 }, (_, i) => ({
        index: i === rank ? index : -1,
        label: '',
        score: 0,
        ...(i === rank && { synset: model.manifest.labels[index]?.synset }),
      }));
      const timings = { decodeMs: 0, queueMs: 0, inferenceMs: 0, batchSize: 1 };
      const error = new AppError('corrupt_image', 'not an image');
      const results =
        rank < 0
          ? [{ filename, error }]
          : [{ filename, predictions, ...(hierarchy && { concept: DOG }), warnings: [], timings }];
      return {
        model: model.name,
        version: model.version,
        variant: 'float32',
        runtime: 'onnx',
        results,
        timings: { totalMs: 0 },
      };
    };
    // Corrupted images show class 26 to the engine, whatever they show.
    const probabilities = new Float32Array(200);
    probabilities[26] = 0.7;
    const pipeline = fakePipeline({ probabilities }, { admission: new Admission(100) });
    const { signal } = new AbortController();
    const request = { model, runtime: 'onnx', path, hierarchies, signal, ...options } as const;
    return measureAccuracy({ classifier: { classify }, pipeline }, request);
  }

  it('counts how often the true class is first and how often it is among the first five', async () => {
    const { images, top1, top5 } = await measure({ 'lesser panda': [0, 0, 4], Chihuahua: [2, 7] });
    expect({ images, top1, top5 }).toEqual({ images: 5, top1: 2 / 5, top5: 4 / 5 });
  });

  it('prints no warning, however many images listen to its signal', async () => {
    const warnings: Error[] = [];
    const listener = (warning: Error): void => void warnings.push(warning);
    process.on('warning', listener);
    await measure({ Chihuahua: new Array(12).fill(0) });
    await new Promise(setImmediate);
    process.off('warning', listener);
    expect(warnings).toEqual([]);
  });

  it('leaves out classes that the model does not have and images that cannot be read, and lists them', async () => {
    const { images, top1, unknownClasses, unreadable } = await measure({ Chihuahua: [0, -1], zebrafish: [0] });
    expect({ images, top1 }).toEqual({ images: 1, top1: 1 });
    expect(unknownClasses).toEqual(['zebrafish']);
    expect(unreadable).toEqual([{ name: 'Chihuahua/-1_1.jpg', reason: 'not an image' }]);
  });

  it('measures how near the answers are in WordNet, also for classes that the model does not have', async () => {
    const { images, top1, hierarchy } = await measure({ Chihuahua: [0, 3], 'lesser panda': [1], n02110185: [0] });
    expect({ images, top1 }).toEqual({ images: 3, top1: 1 / 3 });
    expect(hierarchy).toMatchObject({
      // Every image is said to show a dog, and the husky of n02110185 is one.
      concepts: { images: 3, right: 2 / 3, depth: 13 },
      conceptsOfMistakes: { images: 2, right: 1 / 2 },
      conceptsOfOthers: { images: 1, right: 1 },
    });
  });

  it('tests corrupted images on demand, but none of those that cannot be read', async () => {
    const seen: (readonly [number, number])[] = [];
    const onProgress = (done: number, total: number) => seen.push([done, total]);
    const images = { 'golden retriever': [0, -1], Chihuahua: [0] };
    const { robustness, top1 } = await measure(images, { corruptions: true, onProgress });
    expect(top1).toBe(1);
    expect(robustness).toMatchObject({ images: 2, accuracy: 1, corruptedAccuracy: 1 / 2, relativeRobustness: 1 / 2 });
    expect(robustness?.corruptions).toHaveLength(11);
    for (const { bySeverity } of robustness?.corruptions ?? []) expect(bySeverity).toEqual(new Array(5).fill(1 / 2));
    expect(robustness?.worst[0]).toMatchObject({ id: expect.stringContaining('Chihuahua/'), predicted: 26 });
    // The corrupted images of the one that cannot be read are counted as done.
    expect(seen.at(-1)).toEqual([3 + 3 * 55, 3 + 3 * 55]);
    expect(await measure(images)).not.toHaveProperty('robustness');
  });

  it('ends when it is cancelled', async () => {
    const stop = new AbortController();
    const onProgress = (done: number) => done === 12 && stop.abort(new Error('enough'));
    const cancelled = measure({ Chihuahua: [0] }, { corruptions: true, signal: stop.signal, onProgress });
    await expect(cancelled).rejects.toThrow('enough');
  });

  it('refuses data without a class of the model, and without an image that can be read', async () => {
    await expect(measure({ zebrafish: [0], minnow: [0] })).rejects.toThrow('has none of the classes');
    await expect(measure({ Chihuahua: [-1] })).rejects.toThrow('has no image that can be read');
  });
});
