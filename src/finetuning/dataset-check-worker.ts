/** Entry of the thread that checks the names and labels of a data set. */
import { parentPort, workerData } from 'node:worker_threads';
import { AppError } from '../common/errors.ts';
import { openImageSource, readDataset } from './dataset/dataset.ts';
import { refuseTooFewFiles } from './dataset/dataset-size.ts';
import type { DatasetFault } from './dataset-check.ts';

parentPort?.postMessage(await faultOf(workerData as string));

async function faultOf(path: string): Promise<DatasetFault | undefined> {
  try {
    const source = await openImageSource(path);
    try {
      refuseTooFewFiles(await readDataset(source));
    } finally {
      await source.close();
    }
    return undefined;
  } catch (thrown) {
    if (!(thrown instanceof AppError)) throw thrown;
    const { code, message, context } = thrown;
    return { code, message, context };
  }
}
