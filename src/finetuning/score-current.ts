import { existsSync } from 'node:fs';
import { forEachConcurrently } from '../common/concurrency.ts';
import { decodeImage } from '../image/decode.ts';
import { preprocessDecoded } from '../image/preprocess.ts';
import type { ImageSource } from './dataset/image-source.ts';
import type { Preflight } from './dataset/preflight.ts';
import type { TrainingModel } from './features/feature-network.ts';
import { IN_FLIGHT, openLocalModel } from './features/local-model.ts';

/** The version in service, and the most that width times height of an image may be. */
interface CurrentTask {
  readonly current?: Pick<TrainingModel, 'onnxPath' | 'maxBatch' | 'labels' | 'preprocessing'> | undefined;
  readonly maxImagePixels: number;
}

/**
 * Accuracy of the version in service on the new version's test images; undefined when its classes differ, or when it was
 * removed while the new one was trained.
 */
export async function scoreCurrent(
  { current, maxImagePixels }: CurrentTask,
  { classes, images }: Pick<Preflight, 'classes' | 'images'>,
  source: Pick<ImageSource, 'read'>,
): Promise<number | undefined> {
  if (current === undefined || current.labels.length !== classes.length) return undefined;
  const { labels, preprocessing } = current;
  if (!classes.every((name) => labels.includes(name))) return undefined;
  const model = openLocalModel(current, preprocessing);
  try {
    await model.loaded;
    const test = images.filter(({ split }) => split === 'test');
    let correct = 0;
    await forEachConcurrently(test, IN_FLIGHT, async ({ file, label }) => {
      const image = await decodeImage(await source.read(file), maxImagePixels, preprocessing.icc);
      const scores = await model.compute(await preprocessDecoded(image, preprocessing), 'probabilities');
      if (labels[scores.indexOf(Math.max(...scores))] === label) correct += 1;
    });
    return correct / test.length;
  } catch (thrown) {
    if (!existsSync(current.onnxPath)) return undefined;
    throw thrown;
  } finally {
    await model.close();
  }
}
