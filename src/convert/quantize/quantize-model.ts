import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConversionSource } from '../convert-model.ts';
import { SafetensorsFile } from '../formats/safetensors/reader.ts';
import { foldBatchNorm } from '../graph/fold-batch-norm.ts';
import type { Graph } from '../graph/graph.ts';
import { buildNetwork, parseArchitecture } from '../network.ts';
import { attachNovelty, withNovelty } from '../transfer/novelty.ts';
import { calibrate, type OpenObserved, observeLayers } from './calibration.ts';
import { writeQuantizedOnnx } from './emitter.ts';
import type { CalibrationMethod } from './ranges.ts';

/** Input of `quantizeModel`. */
export interface QuantizationInput {
  readonly source: ConversionSource;
  /** Pixels of the calibration images, as the model takes them. */
  readonly images: AsyncIterable<Uint8Array>;
  readonly method: CalibrationMethod;
  /** Opens an ONNX model for calibration. */
  readonly open: OpenObserved;
}

/**
 * Writes `model.onnx`, the classifier in 8-bit integers, to an existing folder.
 * @returns the path
 * @throws ConversionError when architecture, weights and options do not fit each other
 */
export async function quantizeModel(
  { source, images, method, open }: QuantizationInput,
  folder: string,
): Promise<string> {
  const weights = await SafetensorsFile.open(source.weightsPath);
  try {
    const network = buildNetwork(parseArchitecture(source.architecture), weights, source);
    const write = (graph: Graph) => writeQuantized(foldBatchNorm(graph), { images, method, open }, folder);
    if (source.noveltyPath === undefined) return await write(network);
    return await withNovelty(source.noveltyPath, (detector) => write(attachNovelty(network, detector)));
  } finally {
    await weights.close();
  }
}

async function writeQuantized(
  graph: Graph,
  { images, method, open }: Omit<QuantizationInput, 'source'>,
  folder: string,
): Promise<string> {
  const observed = join(folder, 'observed.onnx');
  const statistics = await observeLayers(graph, images, observed, open);
  for (const path of [observed, `${observed}.data`]) await rm(path, { force: true });
  const path = join(folder, 'model.onnx');
  await writeQuantizedOnnx(graph, calibrate(graph, statistics, method), path);
  return path;
}
