import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type ExplainerParts, ImageExplainer } from '../../src/answering/image-explanation.ts';
import { AppError } from '../../src/common/errors.ts';
import { modelCrop } from '../../src/image/preprocess.ts';
import { type Label, parseLabels, parseManifest } from '../../src/registry/manifest.ts';
import type { ModelVersion } from '../../src/registry/registry.ts';
import type { BatchItem } from '../../src/serving/batcher.ts';

const manifest = parseManifest(readFileSync('zoo/resnet18_slim.tiny200/manifest.json', 'utf8'), () =>
  parseLabels(readFileSync('zoo/labels/tiny200.json', 'utf8')),
);
const modelOf = (labels: readonly Label[] = manifest.labels): ModelVersion => ({
  name: 'resnet18_slim.tiny200',
  version: 1,
  manifest: { ...manifest, labels },
  weightsPath: '',
});

/** Golden retriever, class 26, is the likeliest. */
const probabilities = new Float32Array(200);
probabilities[26] = 0.75;
const EVIDENCE = [0, 2, -1, 0.5];

interface Seen {
  readonly items: BatchItem[];
  /** Images that are under way. */
  inside: number;
}

/** A pipeline whose decoder sees a photo of 100 x 80 in any bytes, and whose engine always finds the same. */
function explainer(parts: Partial<ExplainerParts> = {}, labels?: readonly Label[]): ImageExplainer & { seen: Seen } {
  const seen: Seen = { items: [], inside: 0 };
  const model = modelOf(labels);
  const made = new ImageExplainer({
    resolve: () => model,
    defaultModel: model.name,
    converted: async () => ({ explanation: { method: 'cam', path: '' }, activationShape: [2, 2, 256] }),
    use: (_model, work) =>
      work({
        submit: async (_pixels, item) => {
          seen.items.push(item);
          const outputs = { probabilities, explanation: Float32Array.from(EVIDENCE) };
          return { outputs, queueMs: 1, inferenceMs: 2, batchSize: 1 };
        },
      }),
    preprocess: async () => ({ pixels: new Uint8Array(64 * 64 * 3), width: 100, height: 80, format: 'png' }),
    crop: modelCrop,
    draw: async (photo, { opacity, heatmap }) => Uint8Array.of(photo.length, 10 * opacity, ...heatmap.values),
    admit: (images) => {
      seen.inside += images;
      return () => {
        seen.inside -= images;
      };
    },
    onImage: () => {},
    ...parts,
  });
  return Object.assign(made, { seen });
}

const request = (wanted?: string, release?: () => void) => ({
  class: wanted,
  image: { filename: 'a.png', bytes: Uint8Array.of(1, 2, 3), ...(release && { release }) },
  signal: new AbortController().signal,
});

describe('an explanation', () => {
  it('is of the most probable class, its evidence as a share of where most is', async () => {
    const pipeline = explainer();
    expect(await pipeline.explain(request())).toMatchObject({
      model: 'resnet18_slim.tiny200',
      version: 1,
      method: 'cam',
      prediction: { label: 'golden retriever', synset: 'n02099601', index: 26, score: 0.75 },
      image: { width: 100, height: 80 },
      heatmap: { height: 2, width: 2, values: Float32Array.of(0, 1, 0, 0.25) },
    });
    expect(pipeline.seen.items).toMatchObject([{ priority: 'interactive', explainedClass: undefined }]);
  });

  it('covers what the model saw of the photo', async () => {
    const { crop } = await explainer().explain(request());
    expect(crop).toEqual(modelCrop({ width: 100, height: 80 }, manifest.preprocessing));
    expect(crop.left).toBeGreaterThan(0);
  });

  it('is cold all over where nothing speaks for the class', async () => {
    const outputs = { probabilities, explanation: Float32Array.of(-1, -2, 0, -1) };
    const { heatmap } = await explainer({
      use: (_model, work) => work({ submit: async () => ({ outputs, queueMs: 0, inferenceMs: 0, batchSize: 1 }) }),
    }).explain(request());
    expect([...heatmap.values]).toEqual([0, 0, 0, 0]);
  });

  it('can be drawn, from the bytes of the photo', async () => {
    expect([...(await explainer().draw(request(), 0.5))]).toEqual([3, 5, 0, 1, 0, 0]);
  });
});

describe('the class', () => {
  const asked = async (wanted: string, labels?: readonly Label[]) => {
    const pipeline = explainer({}, labels);
    await pipeline.explain(request(wanted));
    return pipeline.seen.items[0]?.explainedClass;
  };

  it.each(['golden retriever', 'n02099601', '26'])('is found as %s', async (wanted) => {
    expect(await asked(wanted)).toBe(26);
  });

  it('is found by its label before its index', async () => {
    expect(
      await asked(
        '7',
        ['7', '3', 'x'].map((label) => ({ label })),
      ),
    ).toBe(0);
    expect(
      await asked(
        '2',
        ['7', '3', 'x'].map((label) => ({ label })),
      ),
    ).toBe(2);
  });

  it.each(['unicorn', '200', '-1', 'n00000000'])('is refused as %s, with what would do', async (wanted) => {
    const refusal = explainer().explain(request(wanted));
    await expect(refusal).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(refusal).rejects.toThrow(/from 0 to 199/);
  });

  it('is refused by a label that several classes have', async () => {
    const cranes = ['crane', 'dog', 'crane'].map((label) => ({ label }));
    await expect(asked('crane', cranes)).rejects.toThrow('give an index, 0 or 2');
  });
});

describe('the pipeline', () => {
  it('says why a model cannot be explained', async () => {
    const converted = async () => ({
      explanation: { refused: 'its head is odd' },
      activationShape: [1, 1, 1] as const,
    });
    await expect(explainer({ converted }).explain(request())).rejects.toMatchObject({
      code: 'not_explainable',
      message: expect.stringContaining('its head is odd'),
    });
  });

  it('lets go of image and place, however it ends', async () => {
    const released: string[] = [];
    const pipeline = explainer();
    await pipeline.explain(request('26', () => released.push('explained')));
    await pipeline.draw(
      request('26', () => released.push('drawn')),
      1,
    );
    await pipeline.explain(request('none', () => released.push('refused'))).catch(() => undefined);
    expect(released).toEqual(['explained', 'drawn', 'refused']);
    expect(pipeline.seen.inside).toBe(0);
  });

  it('takes no image when there is no room', async () => {
    const admit = () => {
      throw new AppError('queue_full', 'full');
    };
    await expect(explainer({ admit }).explain(request())).rejects.toMatchObject({ code: 'queue_full' });
  });
});
