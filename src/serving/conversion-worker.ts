/** Entry of the worker thread that converts one model: its work would hold up the server's requests. */
import { parentPort, workerData } from 'node:worker_threads';
import { digestFile } from '../common/file-digest.ts';
import { convertModel } from '../convert/convert.ts';
import type { ConversionMessage, ConversionTask } from './conversion.ts';

const { source, sha256, outDir } = workerData as ConversionTask;
const post = (message: ConversionMessage): void => parentPort?.postMessage(message);

const { sha256: found } = await digestFile(source.weightsPath);
if (found !== sha256) {
  throw new Error(`${source.weightsPath} has SHA-256 ${found}, but the manifest says ${sha256}: fetch the file again`);
}
const conversion = await convertModel(source, outDir, (progress) => post({ type: 'progress', progress }));
post({ type: 'done', conversion });
