import { dirname, join } from 'node:path';
import type { ConversionSource } from './convert-model.ts';
import { parseOnnxArchitecture } from './foreign-onnx/architecture.ts';
import { writeWrappedOnnx } from './foreign-onnx/convert-onnx.ts';
import { writeOnnx } from './formats/onnx/emitter.ts';
import { SafetensorsFile } from './formats/safetensors/reader.ts';
import { foldBatchNorm } from './graph/fold-batch-norm.ts';
import { buildNetwork, parseArchitecture } from './network.ts';

/**
 * Writes the ONNX model of a network without its other formats, for a trial: it answers as the converted model does.
 *
 * @returns `path`
 * @throws ConversionError when architecture, weights and options do not fit each other
 */
export async function writeTrialModel(source: ConversionSource, path: string): Promise<string> {
  const { architecture, weightsPath } = source;
  const hints = parseOnnxArchitecture(architecture);
  if (hints !== undefined) {
    await writeWrappedOnnx({ ...source, hints }, path, join(dirname(path), 'trial-explanation.onnx'), () => {});
    return path;
  }
  const weights = await SafetensorsFile.open(weightsPath);
  try {
    await writeOnnx(foldBatchNorm(buildNetwork(parseArchitecture(architecture), weights, source)), path);
    return path;
  } finally {
    await weights.close();
  }
}
