/** Entry of the thread that looks at a data set's names and labels before it is queued. */
import { parentPort, workerData } from 'node:worker_threads';
import { AppError } from '../common/errors.ts';
import { openImageSource, readDataset } from './dataset/dataset.ts';
import { MIN_CLASSES, MIN_IMAGES_PER_CLASS } from './dataset/preflight-report.ts';
import type { DatasetFault } from './dataset-check.ts';

parentPort?.postMessage(await faultOf(workerData as string));

async function faultOf(path: string): Promise<DatasetFault> {
  try {
    await refuseHopeless(path);
    return undefined;
  } catch (thrown) {
    if (!(thrown instanceof AppError)) throw thrown;
    const { code, message, context } = thrown;
    return { code, message, context };
  }
}

/** @throws AppError when the names alone show that a data set cannot be trained on */
async function refuseHopeless(path: string): Promise<void> {
  const source = await openImageSource(path);
  try {
    const { classes, files } = await readDataset(source);
    const counts = new Map<string, number>();
    for (const { label } of files) counts.set(label, (counts.get(label) ?? 0) + 1);
    const small = classes.filter((name) => (counts.get(name) ?? 0) < MIN_IMAGES_PER_CLASS);
    if (classes.length >= MIN_CLASSES && small.length === 0) return;
    throw new AppError(
      'dataset_too_small',
      `${classes.length} class(es) were found (${classes.slice(0, 10).join(', ')})` +
        `${small.length > 0 ? `, too few images in ${small.slice(0, 10).join(', ')}` : ''}: ` +
        `send at least ${MIN_CLASSES} classes of ${MIN_IMAGES_PER_CLASS} images each`,
      { context: { classes: classes.length, min_classes: MIN_CLASSES, min_images_per_class: MIN_IMAGES_PER_CLASS } },
    );
  } finally {
    await source.close();
  }
}
