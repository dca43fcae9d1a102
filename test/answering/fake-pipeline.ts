import { readFileSync } from 'node:fs';
import { ImagePipeline, type ImagePipelineParts } from '../../src/answering/image-pipeline.ts';
import { AppError } from '../../src/common/errors.ts';
import { decodeNow } from '../../src/image/decode.ts';
import { parseLabels } from '../../src/registry/labels.ts';
import type { ModelVersion } from '../../src/registry/registry.ts';
import { parseManifest } from '../../src/registry/resolve-manifest.ts';
import { Admission } from '../../src/serving/admission.ts';
import type { BatchItem } from '../../src/serving/batch-queue.ts';
import type { OutputRows } from '../../src/serving/batcher.ts';

/** An embedded model of 200 classes that takes 64 x 64 pixels. */
export const model: ModelVersion = {
  name: 'resnet18_slim.tiny200',
  version: 1,
  manifest: parseManifest(readFileSync('zoo/resnet18_slim.tiny200/manifest.json', 'utf8'), () =>
    parseLabels(readFileSync('zoo/labels/tiny200.json', 'utf8')),
  ),
  files: async () => ({ weightsPath: '' }),
};

export interface FakePipeline extends ImagePipeline {
  readonly admission: Admission;
  /** What was submitted to the engine, in order. */
  readonly items: readonly BatchItem[];
}

/**
 * A pipeline for at most 4 images whose decoder sees a photo of 100 x 80 in any bytes but `broken`, and whose engine
 * answers every image with `outputs`.
 */
export function fakePipeline(outputs: OutputRows, parts: Partial<ImagePipelineParts> = {}): FakePipeline {
  const admission = new Admission(4);
  const items: BatchItem[] = [];
  const pipeline = new ImagePipeline({
    use: (_model, _runtime, work) =>
      work({
        submit: async (_pixels, item) => {
          items.push(item);
          return { outputs, queueMs: 1, inferenceMs: 2, batchSize: 3 };
        },
      }),
    preprocess: (bytes, _recipe, turn) =>
      turn(8_000, async () => {
        if (Buffer.from(bytes).toString() === 'broken') throw new AppError('corrupt_image', 'it is broken');
        return { pixels: new Uint8Array(64 * 64 * 3), width: 100, height: 80, format: 'png', warnings: [] };
      }),
    admission,
    decoding: { turn: () => decodeNow },
    onImage: () => {},
    ...parts,
  });
  return Object.assign(pipeline, { admission, items });
}
