/** Entry of the worker thread that verifies or makes one conversion. */
import { parentPort, workerData } from 'node:worker_threads';
import { digestFile } from '../common/file-digest.ts';
import { verifyConversion } from '../convert/conversion.ts';
import { convertModel } from '../convert/convert-model.ts';
import type { ConversionMessage, ConversionResult, ConversionTask } from './conversion-run.ts';

const { source, sha256, outDir } = workerData as ConversionTask;
const post = (message: ConversionMessage): void => parentPort?.postMessage(message);

post({ type: 'done', result: await verifyOrConvert() });

async function verifyOrConvert(): Promise<ConversionResult> {
  const existing = await verifyConversion(outDir);
  if (existing !== undefined) return { conversion: existing, converted: false };
  const { sha256: found } = await digestFile(source.weightsPath);
  if (found !== sha256) {
    throw new Error(
      `${source.weightsPath} has SHA-256 ${found}, but the manifest says ${sha256}: fetch the file again`,
    );
  }
  const conversion = await convertModel(source, outDir, (progress) => post({ type: 'progress', progress }));
  return { conversion, converted: true };
}
