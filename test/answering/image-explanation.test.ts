import { describe, expect, it } from 'vitest';
import { type ExplainerParts, ImageExplainer } from '../../src/answering/image-explanation.ts';
import { modelCrop } from '../../src/image/crop.ts';
import type { Label } from '../../src/registry/manifest.ts';
import { type FakePipeline, fakePipeline, model } from './fake-pipeline.ts';

/** Golden retriever, class 26, is the most probable. */
const probabilities = new Float32Array(200);
probabilities[26] = 0.75;
const EVIDENCE = [0, 2, -1, 0.5];

/** An explainer whose engine always finds the same. */
function explainer(
  { labels = model.manifest.labels, evidence = EVIDENCE }: { labels?: readonly Label[]; evidence?: number[] } = {},
  parts: Partial<ExplainerParts> = {},
): ImageExplainer & { readonly pipeline: FakePipeline } {
  const pipeline = fakePipeline({ probabilities, explanation: Float32Array.from(evidence) });
  const made = new ImageExplainer({
    registry: { resolveClassifier: () => ({ ...model, manifest: { ...model.manifest, labels } }) },
    defaultModel: model.name,
    conversions: {
      get: async () => ({ explanation: { method: 'cam', path: '', sha256: '' }, activationShape: [2, 2, 256] }),
    },
    pipeline,
    draw: async (photo, { opacity, heatmap }) => Uint8Array.of(photo.length, 10 * opacity, ...heatmap.values),
    ...parts,
  });
  return Object.assign(made, { pipeline });
}

const request = (wanted?: string, release?: () => void) => ({
  class: wanted,
  image: { filename: 'a.png', bytes: Uint8Array.of(1, 2, 3), ...(release && { release }) },
  signal: new AbortController().signal,
});

describe('an explanation', () => {
  it('is about the most probable class, with evidence as a share of the largest', async () => {
    const made = explainer();
    expect(await made.explain(request())).toMatchObject({
      model: 'resnet18_slim.tiny200',
      version: 1,
      method: 'cam',
      prediction: { label: 'golden retriever', synset: 'n02099601', index: 26, score: 0.75 },
      image: { width: 100, height: 80 },
      heatmap: { height: 2, width: 2, values: Float32Array.of(0, 1, 0, 0.25) },
    });
    expect(made.pipeline.items).toMatchObject([{ priority: 'interactive', explainedClass: undefined }]);
  });

  it('covers the part of the photo that the model saw', async () => {
    const { crop } = await explainer().explain(request());
    expect(crop).toEqual(modelCrop({ width: 100, height: 80 }, model.manifest.preprocessing));
    expect(crop.left).toBeGreaterThan(0);
  });

  it('is zero everywhere without evidence for the class', async () => {
    const { heatmap } = await explainer({ evidence: [-1, -2, 0, -1] }).explain(request());
    expect([...heatmap.values]).toEqual([0, 0, 0, 0]);
  });

  it('can be drawn over the photo', async () => {
    expect([...(await explainer().draw(request(), 0.5))]).toEqual([3, 5, 0, 1, 0, 0]);
  });
});

describe('the class', () => {
  const asked = async (wanted: string, labels?: readonly Label[]) => {
    const made = explainer(labels && { labels });
    await made.explain(request(wanted));
    return made.pipeline.items[0]?.explainedClass;
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

  it.each(['unicorn', '200', '-1', 'n00000000'])('is refused as %s, with what is allowed', async (wanted) => {
    const refusal = explainer().explain(request(wanted));
    await expect(refusal).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(refusal).rejects.toThrow(/from 0 to 199/);
  });

  it('is refused as a label of several classes', async () => {
    const cranes = ['crane', 'dog', 'crane'].map((label) => ({ label }));
    await expect(asked('crane', cranes)).rejects.toThrow('give an index, 0 or 2');
  });
});

describe('the pipeline', () => {
  it('reports why a model cannot be explained', async () => {
    const converted = async () => ({
      explanation: { refused: 'its head is odd' },
      activationShape: [1, 1, 1] as const,
    });
    await expect(explainer({}, { conversions: { get: converted } }).explain(request())).rejects.toMatchObject({
      code: 'not_explainable',
      message: expect.stringContaining('its head is odd'),
    });
  });

  it('releases the image, however it ends', async () => {
    const released: string[] = [];
    const made = explainer();
    await made.explain(request('26', () => released.push('explained')));
    await made.draw(
      request('26', () => released.push('drawn')),
      1,
    );
    await made.explain(request('none', () => released.push('refused'))).catch(() => undefined);
    expect(released).toEqual(['explained', 'drawn', 'refused']);
  });

  it('counts the image as in flight until it is drawn', async () => {
    const made = explainer({}, { draw: async () => Uint8Array.of(made.pipeline.admission.inFlight) });
    expect([...(await made.draw(request(), 1))]).toEqual([1]);
    expect(made.pipeline.admission.inFlight).toBe(0);
  });
});
