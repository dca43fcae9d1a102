/**
 * The floor of a fine-tune: every image is decoded once and augmented, and it and its copies run through the backbone,
 * with the same number of threads and the same priority as a training process. No digests, no caches, no head.
 */
import { setPriority } from 'node:os';
import * as ort from 'onnxruntime-node';
import { forEachConcurrently } from '../../src/common/concurrency.ts';
import { openImageSource } from '../../src/finetuning/dataset/dataset.ts';
import type { FinetuneOptions } from '../../src/finetuning/finetune-options.ts';
import { augment, reduceForAugmentation } from '../../src/image/augment.ts';
import { decodeImage } from '../../src/image/decode.ts';
import { preprocessDecoded } from '../../src/image/preprocess.ts';
import type { BenchModel } from './bench-model.ts';

export interface FinetuneFloorTask {
  readonly model: BenchModel;
  readonly datasetPath: string;
  readonly augmentation: FinetuneOptions['augmentation'];
  /** Number of images that are augmented: as many as the job trains on. */
  readonly augmented: number;
}

const IN_FLIGHT = 32;
const BATCH = 16;

async function measure({ model, datasetPath, augmentation, augmented }: FinetuneFloorTask): Promise<number> {
  const start = performance.now();
  const { inputSize } = model.preprocessing;
  const session = await ort.InferenceSession.create(model.onnxPath, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const ready: Uint8Array[] = [];
  const run = async (count: number): Promise<void> => {
    const batch = ready.splice(0, count);
    if (batch.length === 0) return;
    const data = new Uint8Array(batch.length * inputSize[0] * inputSize[1] * 3);
    for (const [index, pixels] of batch.entries()) data.set(pixels, index * pixels.length);
    await session.run({ pixels: new ort.Tensor('uint8', data, [batch.length, ...inputSize, 3]) }, ['features']);
  };
  const source = await openImageSource(datasetPath);
  const images = source.files.filter(({ name }) => /\.(jpe?g|png)$/i.test(name));
  await forEachConcurrently(images.entries(), IN_FLIGHT, async ([index, file]) => {
    const image = await decodeImage(await source.read(file), 50_000_000);
    ready.push(await preprocessDecoded(image, model.preprocessing));
    if (index < augmented) {
      const reduced = reduceForAugmentation(image, model.preprocessing);
      for (let copy = 0; copy < augmentation.copies; copy++) {
        ready.push(augment(reduced, model.preprocessing, augmentation, { seed: 0, digest: String(index), copy }));
      }
    }
    if (ready.length >= BATCH) await run(BATCH);
  });
  while (ready.length > 0) await run(BATCH);
  await source.close();
  return (performance.now() - start) / 1000;
}

setPriority(19);
process.on('message', async (task: FinetuneFloorTask) => {
  process.send?.(await measure(task));
});
process.on('disconnect', () => process.exit(0));
