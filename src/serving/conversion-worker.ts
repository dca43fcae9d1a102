/** Entry of the worker thread that verifies or makes one conversion. */
import { parentPort, workerData } from 'node:worker_threads';
import { digestFile } from '../common/file-digest.ts';
import { type Conversion, verifyConversion } from '../convert/conversion.ts';
import { convertModel } from '../convert/convert-model.ts';
import type { ConversionMessage, ConversionTask, ConversionWork } from './conversion-run.ts';

const work = workerData as ConversionWork;
const post = (message: ConversionMessage): void => parentPort?.postMessage(message);

const existing = await verifyConversion(work.outDir);
if (existing !== undefined || !('source' in work)) post({ type: 'verified', conversion: existing });
else post({ type: 'converted', conversion: await convert(work) });

async function convert({ source, sha256, noveltySha256, outDir }: ConversionTask): Promise<Conversion> {
  await expectDigest(source.weightsPath, sha256);
  if (source.noveltyPath !== undefined) await expectDigest(source.noveltyPath, noveltySha256);
  return await convertModel(source, outDir, (progress) => post({ type: 'progress', progress }));
}

async function expectDigest(path: string, wanted: string | undefined): Promise<void> {
  const { sha256: found } = await digestFile(path);
  if (found !== wanted) {
    throw new Error(`${path} has SHA-256 ${found}, but the manifest says ${wanted}: fetch the file again`);
  }
}
