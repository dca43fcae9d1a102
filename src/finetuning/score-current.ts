import { forEachConcurrently } from '../common/concurrency.ts';
import { decodeImage } from '../image/decode.ts';
import { preprocessDecoded } from '../image/preprocess.ts';
import type { ImageSource } from './dataset/image-source.ts';
import type { Preflight } from './dataset/preflight.ts';
import { IN_FLIGHT, openLocalModel } from './features/local-model.ts';
import type { TrainingTask } from './training-messages.ts';

/** Accuracy of the version in service on the new version's test images; undefined when its classes differ. */
export async function scoreCurrent(
  { current, maxImagePixels }: TrainingTask,
  { classes, images }: Preflight,
  source: ImageSource,
): Promise<number | undefined> {
  if (current === undefined || current.labels.length !== classes.length) return undefined;
  const { labels, preprocessing } = current;
  if (!classes.every((name) => labels.includes(name))) return undefined;
  const model = openLocalModel(current, preprocessing);
  try {
    const test = images.filter(({ split }) => split === 'test');
    let correct = 0;
    await forEachConcurrently(test, IN_FLIGHT, async ({ file, label }) => {
      const image = await decodeImage(await source.read(file), maxImagePixels, preprocessing.icc);
      const scores = await model.compute(await preprocessDecoded(image, preprocessing), 'probabilities');
      if (labels[scores.indexOf(Math.max(...scores))] === label) correct += 1;
    });
    return correct / test.length;
  } finally {
    await model.close();
  }
}
