import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type ClassifierParts, ImageClassifier } from '../../src/answering/image-classification.ts';
import { AppError } from '../../src/common/errors.ts';
import { parseLabels, parseManifest } from '../../src/registry/manifest.ts';
import type { ModelVersion } from '../../src/registry/registry.ts';
import { Admission } from '../../src/serving/admission.ts';
import type { BatchItem } from '../../src/serving/batcher.ts';

const manifest = parseManifest(readFileSync('zoo/resnet18_slim.tiny200/manifest.json', 'utf8'), () =>
  parseLabels(readFileSync('zoo/labels/tiny200.json', 'utf8')),
);
const model: ModelVersion = { name: 'resnet18_slim.tiny200', version: 1, manifest, weightsPath: '' };

/** Answers that class 26 (golden retriever) is the likeliest. */
const probabilities = new Float32Array(200);
probabilities[26] = 0.7;
probabilities[27] = 0.2;

/** A pipeline whose decoder takes any bytes but `broken`, and whose queue answers at once unless told otherwise. */
function classifier(parts: Partial<ClassifierParts> = {}, items: BatchItem[] = []): ImageClassifier {
  return new ImageClassifier({
    resolve: () => model,
    defaultModel: model.name,
    use: (_model, _runtime, work) =>
      work({
        submit: async (_pixels, item) => {
          items.push(item);
          return { outputs: { probabilities }, queueMs: 1, inferenceMs: 2, batchSize: 3 };
        },
      }),
    preprocess: async (bytes) => {
      if (Buffer.from(bytes).toString() === 'broken') throw new AppError('corrupt_image', 'it is broken');
      return { pixels: new Uint8Array(64 * 64 * 3), width: 10, height: 10, format: 'png' };
    },
    admission: new Admission(4),
    onImage: () => {},
    ...parts,
  });
}

function request(...contents: string[]) {
  return {
    runtime: 'onnx' as const,
    topK: 2,
    threshold: 0,
    images: contents.map((content, index) => ({ filename: `${index}.png`, bytes: Buffer.from(content) })),
    signal: new AbortController().signal,
  };
}

describe('classifying', () => {
  test('names the likeliest classes with label, index and synset, and where the time went', async () => {
    const { results, ...rest } = await classifier().classify(request('a'));
    expect(rest).toMatchObject({ model: 'resnet18_slim.tiny200', version: 1, runtime: 'onnx' });
    expect(results).toMatchObject([
      {
        filename: '0.png',
        predictions: [
          { label: 'golden retriever', index: 26, synset: 'n02099601' },
          { label: 'Labrador retriever', index: 27 },
        ],
        timings: { queueMs: 1, inferenceMs: 2, batchSize: 3 },
      },
    ]);
  });

  test('leaves out classes below the threshold', async () => {
    const { results } = await classifier().classify({ ...request('a'), threshold: 0.5 });
    expect(results[0]).toMatchObject({ predictions: [{ index: 26 }] });
  });

  test('a broken image spoils no other', async () => {
    const { results } = await classifier().classify(request('a', 'broken', 'c'));
    expect(results.map((result) => ('error' in result ? result.error.code : 'fine'))).toEqual([
      'fine',
      'corrupt_image',
      'fine',
    ]);
  });

  test('an unexpected failure fails the request and frees its place', async () => {
    const admission = new Admission(4);
    const pipeline = classifier({
      admission,
      use: () => Promise.reject(new AppError('model_unavailable', 'gone')),
    });
    await expect(pipeline.classify(request('a'))).rejects.toMatchObject({ code: 'model_unavailable' });
    expect(admission.inFlight).toBe(0);
  });

  test('one image goes before many', async () => {
    const items: BatchItem[] = [];
    const pipeline = classifier({}, items);
    await pipeline.classify(request('a'));
    await pipeline.classify(request('a', 'b'));
    expect(items.map(({ priority }) => priority)).toEqual(['interactive', 'bulk', 'bulk']);
  });

  test('images over the limit are refused before they are decoded, and taken again when there is room', async () => {
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const pipeline = classifier({
      preprocess: async () => {
        await gate;
        return { pixels: new Uint8Array(64 * 64 * 3), width: 1, height: 1, format: 'png' };
      },
    });
    const first = pipeline.classify(request('a', 'b', 'c'));
    await expect(pipeline.classify(request('d', 'e'))).rejects.toMatchObject({ code: 'queue_full', retryAfter: 1 });
    open();
    await first;
    await expect(pipeline.classify(request('d', 'e'))).resolves.toBeDefined();
  });

  test('a client that is gone gets no answer, and what waits for it is told', async () => {
    const controller = new AbortController();
    const items: BatchItem[] = [];
    const pipeline = classifier({}, items);
    const answer = pipeline.classify({ ...request('a'), signal: controller.signal });
    controller.abort(new Error('the client left'));
    await expect(answer).rejects.toThrow('the client left');
    expect(items.every(({ signal }) => signal?.aborted)).toBe(true);
  });
});

describe('a picture of none of the classes', () => {
  const knowing = (unknown_threshold: number): ModelVersion => ({
    ...model,
    manifest: { ...manifest, file: { ...manifest.file, unknown_threshold } },
  });

  test.each([
    [0.9, true],
    [0.6, false],
  ])('is told by a best score below the threshold of the model: 0.7 against %d', async (threshold, unknown) => {
    const { results } = await classifier({ resolve: () => knowing(threshold) }).classify(request('a'));
    expect(results[0]).toMatchObject({ unknown, predictions: [{ index: 26 }, { index: 27 }] });
  });

  test('goes by the best score, whatever the client asks to be shown', async () => {
    const pipeline = classifier({ resolve: () => knowing(0.6) });
    const { results } = await pipeline.classify({ ...request('a'), threshold: 0.8 });
    expect(results[0]).toMatchObject({ unknown: false, predictions: [] });
  });

  test('is not spoken of by models that know no threshold', async () => {
    const { results } = await classifier().classify(request('a'));
    expect(results[0]).not.toHaveProperty('unknown');
  });
});
