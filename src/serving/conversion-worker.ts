/** Entry of the worker thread that verifies or makes one conversion. */
import { parentPort, workerData } from 'node:worker_threads';
import { digestFile } from '../common/file-digest.ts';
import { verifyConversion } from '../convert/conversion.ts';
import { convertModel } from '../convert/convert-model.ts';
import type { ConversionMessage, ConversionResult, ConversionTask } from './conversion-run.ts';

const { source, sha256, noveltySha256, outDir } = workerData as ConversionTask;
const post = (message: ConversionMessage): void => parentPort?.postMessage(message);

post({ type: 'done', result: await verifyOrConvert() });

async function verifyOrConvert(): Promise<ConversionResult> {
  const existing = await verifyConversion(outDir);
  if (existing !== undefined) return { conversion: existing, converted: false };
  await expectDigest(source.weightsPath, sha256);
  if (source.noveltyPath !== undefined) await expectDigest(source.noveltyPath, noveltySha256);
  const conversion = await convertModel(source, outDir, (progress) => post({ type: 'progress', progress }));
  return { conversion, converted: true };
}

async function expectDigest(path: string, wanted: string | undefined): Promise<void> {
  const { sha256: found } = await digestFile(path);
  if (found !== wanted) {
    throw new Error(`${path} has SHA-256 ${found}, but the manifest says ${wanted}: fetch the file again`);
  }
}
