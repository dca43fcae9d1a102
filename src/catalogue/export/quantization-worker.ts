/** Entry of the worker thread that quantizes one TF.js model. */
import { workerData } from 'node:worker_threads';
import { quantizeTfjs } from '../../convert/formats/tfjs/quantize.ts';
import type { QuantizationTask } from './tfjs-quantization.ts';

const { modelPath, folder, storage } = workerData as QuantizationTask;
await quantizeTfjs(modelPath, folder, storage);
