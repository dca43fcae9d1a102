import { describe, expect, test } from 'vitest';
import { ImageClassifier } from '../../src/answering/image-classification.ts';
import { AppError } from '../../src/common/errors.ts';
import type { TtaMode } from '../../src/image/views.ts';
import { ClassHierarchies } from '../../src/registry/class-hierarchy.ts';
import type { ModelVersion } from '../../src/registry/registry.ts';
import { conceptGraphReader } from '../../src/registry/zoo.ts';
import { fakePipeline, model } from './fake-pipeline.ts';

/** Class 26 (golden retriever) is the most probable. */
const probabilities = new Float32Array(200);
probabilities[26] = 0.7;
probabilities[27] = 0.2;

const hierarchies = new ClassHierarchies(await conceptGraphReader('zoo', () => {}));

function classifier(resolved: ModelVersion = model): ImageClassifier {
  return new ImageClassifier({
    registry: { resolveClassifier: () => resolved },
    defaultModel: model.name,
    hierarchies,
    pipeline: fakePipeline({ probabilities }),
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
  test('returns the most probable classes with label, index and synset, and the timings', async () => {
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

  describe('over several views', () => {
    /** The mean brightness of a view decides its scores. */
    const submitted: number[] = [];
    const submit = async (pixels: Uint8Array) => {
      submitted.push(pixels[0] ?? 0);
      const view = Float32Array.of((pixels[0] ?? 0) / 100, 1 - (pixels[0] ?? 0) / 100);
      return { outputs: { probabilities: view }, queueMs: pixels[0] ?? 0, inferenceMs: 2, batchSize: 3 };
    };
    const counted: number[] = [];
    const pipeline = fakePipeline(
      {},
      {
        use: (_model, _runtime, work) => work({ submit }),
        // The pixels of a view are its columns' numbers, or those of a larger view 40 more.
        preprocess: async (_bytes, { inputSize: [height, width] }) => ({
          pixels: Uint8Array.from({ length: height * width * 3 }, (_, index) => {
            const column = Math.floor(index / 3) % width;
            return width === 64 ? column : 40 + column;
          }),
          width: 100,
          height: 80,
          format: 'png',
          warnings: [],
        }),
        onImage: (_model, _runtime, { queueMs }) => counted.push(queueMs),
      },
    );
    const parts = { registry: { resolveClassifier: () => model }, defaultModel: model.name, hierarchies, pipeline };

    test.each<[TtaMode, number[]]>([
      ['flip', [0, 63]],
      ['five_crop', [0, 40, 49, 40, 49]],
    ])('%s: the scores are the means of theirs', async (tta, firstColumns) => {
      submitted.length = 0;
      counted.length = 0;
      const { results } = await new ImageClassifier(parts).classify({ ...request('a'), tta });
      expect(submitted).toEqual(firstColumns);
      const mean = firstColumns.reduce((sum, column) => sum + column / 100, 0) / firstColumns.length;
      const [result] = results;
      if (result === undefined || 'error' in result) throw new Error('there is no answer');
      expect(result.predictions.find(({ index }) => index === 0)?.score).toBeCloseTo(mean, 5);
      expect(counted, 'it counts as one image').toEqual([Math.max(...firstColumns)]);
    });

    test('each counts as an image in flight', async () => {
      const waiting = new ImageClassifier(parts).classify({ ...request('a'), tta: 'flip' });
      expect(pipeline.admission.inFlight).toBe(2);
      await waiting;
      expect(pipeline.admission.inFlight).toBe(0);
    });
  });

  test('a broken image does not affect the others', async () => {
    const { results } = await classifier().classify(request('a', 'broken', 'c'));
    expect(results.map((result) => ('error' in result ? result.error.code : 'fine'))).toEqual([
      'fine',
      'corrupt_image',
      'fine',
    ]);
  });

  test('an image for which the model computes values that are not finite does not affect the others', async () => {
    let computed = 0;
    const submit = async () => {
      computed += 1;
      if (computed === 2) throw new AppError('internal', 'the model computed values that are not finite');
      return { outputs: { probabilities }, queueMs: 1, inferenceMs: 2, batchSize: 3 };
    };
    const pipeline = fakePipeline({}, { use: (_model, _runtime, work) => work({ submit }) });
    const registry = { resolveClassifier: () => model };
    const { results } = await new ImageClassifier({
      registry,
      defaultModel: model.name,
      hierarchies,
      pipeline,
    }).classify(request('a', 'b', 'c'));
    expect(results.map((result) => ('error' in result ? result.error.code : 'fine'))).toEqual([
      'fine',
      'internal',
      'fine',
    ]);
  });

  test('releases the bytes of every image, also of a request that is refused', async () => {
    const released: string[] = [];
    const { images, ...rest } = request('a', 'b');
    const lent = images.map((image) => ({ ...image, release: () => released.push(image.filename) }));
    const unknown = new ImageClassifier({
      registry: {
        resolveClassifier: () => {
          throw new Error('unknown model');
        },
      },
      defaultModel: 'none',
      hierarchies,
      pipeline: fakePipeline({ probabilities }),
    });
    await expect(unknown.classify({ ...rest, images: lent })).rejects.toThrow('unknown model');
    expect(released).toEqual(['0.png', '1.png']);
  });
});

describe('an image of none of the classes', () => {
  const knowing = (unknown_threshold: number): ModelVersion => ({
    ...model,
    manifest: { ...model.manifest, file: { ...model.manifest.file, unknown_threshold } },
  });

  test.each([
    [0.9, true],
    [0.6, false],
  ])('is recognised by a best score below the threshold of the model: 0.7 against %d', async (threshold, unknown) => {
    const { results } = await classifier(knowing(threshold)).classify(request('a'));
    expect(results[0]).toMatchObject({ unknown, predictions: [{ index: 26 }, { index: 27 }] });
  });

  test('is recognised by the best score, whatever threshold the client sends', async () => {
    const { results } = await classifier(knowing(0.6)).classify({ ...request('a'), threshold: 0.8 });
    expect(results[0]).toMatchObject({ unknown: false, predictions: [] });
  });

  test('is not reported by models without a threshold', async () => {
    const { results } = await classifier().classify(request('a'));
    expect(results[0]).not.toHaveProperty('unknown');
  });
});

describe('the hierarchy', () => {
  const labelled = (labels: readonly { label: string }[]): ModelVersion => ({
    ...model,
    manifest: { ...model.manifest, labels },
  });

  test('gives each prediction its path, and the image the most specific concept that is likely enough', async () => {
    const { results } = await classifier().classify({ ...request('a'), threshold: 0.8, hierarchy: true });
    expect(results[0]).toMatchObject({
      predictions: [],
      concept: {
        label: 'retriever',
        score: expect.closeTo(0.9),
        path: expect.arrayContaining([expect.objectContaining({ label: 'dog', score: expect.closeTo(0.9) })]),
      },
    });
  });

  test('needs one half where the client says nothing, and then lists the classes all the same', async () => {
    const { threshold: _, ...rest } = request('a');
    const { results } = await classifier().classify({ ...rest, hierarchy: true });
    expect(results[0]).toMatchObject({
      predictions: [
        { label: 'golden retriever', path: expect.arrayContaining([expect.objectContaining({ label: 'dog' })]) },
        { label: 'Labrador retriever' },
      ],
      concept: { label: 'golden retriever' },
    });
  });

  test('is null where no concept is likely enough', async () => {
    const { results } = await classifier().classify({ ...request('a'), threshold: 1, hierarchy: true });
    expect(results[0]).toMatchObject({ concept: null });
  });

  test('is absent unless it is wanted', async () => {
    const { results } = await classifier().classify(request('a'));
    expect(JSON.stringify(results)).not.toMatch(/concept|path/);
  });

  test('cannot be had of a model without synsets', async () => {
    const asked = classifier(labelled([{ label: 'on' }, { label: 'off' }])).classify({
      ...request('a'),
      hierarchy: true,
    });
    await expect(asked).rejects.toMatchObject({ code: 'no_hierarchy' });
  });
});
