import { ImagePipeline } from '../../src/answering/image-pipeline.ts';
import { TensorInference } from '../../src/answering/tensor-inference.ts';
import { preprocessImage } from '../../src/image/preprocess.ts';
import { Registry } from '../../src/registry/registry.ts';
import { readZoo } from '../../src/registry/zoo.ts';
import { Admission } from '../../src/serving/admission.ts';
import type { BatchItem } from '../../src/serving/batch-queue.ts';
import { DecodeQueue } from '../../src/serving/decode-queue.ts';

/** The model of these tests, and the pixels of one image. */
export const MODEL = 'resnet18_slim.tiny200';
export const IMAGE = 64 * 64 * 3;

/**
 * Inference over a queue that answers with what it was given: each output of an image is its first pixel's red and
 * green, and how many outputs were computed along with it. There is a model `backbone_only` too.
 * @param wait is awaited before an image is answered
 */
export async function firstPixelInference(wait: (item: BatchItem) => Promise<void> = async () => undefined) {
  const registry = new Registry();
  for (const model of (await readZoo('zoo')).models) {
    registry.set({ name: model.name, origin: 'zoo', versions: [model], aliases: { production: 1 }, damaged: {} });
  }
  const backbone = registry.resolve(MODEL);
  registry.set({
    name: 'backbone_only',
    versions: [{ ...backbone, name: 'backbone_only', manifest: { ...backbone.manifest, labels: [] } }],
    origin: 'zoo',
    aliases: {},
    damaged: {},
  });
  /** On which each request was computed. */
  const runtimes: string[] = [];
  const pipeline = new ImagePipeline({
    use: (_model, runtime, work) => {
      runtimes.push(runtime);
      return work({
        submit: async (pixels, item) => {
          await wait(item);
          const row = Float32Array.of(pixels[0] ?? -1, pixels[1] ?? -1, item.outputs.length);
          const rows = Object.fromEntries(item.outputs.map((name) => [name, row]));
          return { outputs: rows, queueMs: 0, inferenceMs: 1, batchSize: 1 };
        },
      });
    },
    preprocess: (bytes, recipe) => preprocessImage(bytes, recipe, 1_000_000),
    admission: new Admission(100),
    decoding: new DecodeQueue(1_000_000),
    onImage: () => {},
  });
  const inference = new TensorInference({ registry, conversions: { peek: async () => undefined }, pipeline });
  return { registry, inference, runtimes };
}
