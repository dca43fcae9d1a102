/** Entry of the worker thread that converts one model: its work would hold up the server's requests. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { convertModel } from '../convert/convert.ts';
import type { ConversionMessage, ConversionTask } from './conversion.ts';

const { source, sha256, outDir } = workerData as ConversionTask;
const post = (message: ConversionMessage): void => parentPort?.postMessage(message);

const hash = createHash('sha256');
await pipeline(createReadStream(source.weightsPath), hash);
const found = hash.digest('hex');
if (found !== sha256) {
  throw new Error(`${source.weightsPath} has SHA-256 ${found}, but the manifest says ${sha256}: fetch the file again`);
}
const conversion = await convertModel(source, outDir, (progress) => post({ type: 'progress', progress }));
post({ type: 'done', conversion });
