/** Entry of the process that checks the names and labels of a data set. */
import { AppError } from '../common/errors.ts';
import { openImageSource, readDataset } from './dataset/dataset.ts';
import { refuseTooFewFiles } from './dataset/dataset-size.ts';
import { encodingCalled } from './dataset/text-encoding.ts';
import type { DatasetFault } from './dataset-check.ts';

process.on('disconnect', () => process.exit());
process.send?.(await faultOf(process.argv[2] ?? '', process.argv[3] ?? ''), () => process.disconnect());

async function faultOf(path: string, encodingName: string): Promise<DatasetFault> {
  const encoding = encodingCalled(encodingName);
  try {
    const source = await openImageSource(path, encoding);
    try {
      refuseTooFewFiles(await readDataset(source, encoding));
    } finally {
      await source.close();
    }
    return null;
  } catch (thrown) {
    if (!(thrown instanceof AppError)) throw thrown;
    const { code, message, context } = thrown;
    return { code, message, context };
  }
}
