import { dirname } from 'node:path';
import { ConversionError } from '../conversion-error.ts';
import type { WrittenFile } from '../formats/file-sink.ts';
import { type OnnxFile, readOnnxFile } from '../formats/onnx/reader.ts';
import { writeOnnxFile } from '../formats/onnx/writer.ts';
import type { NoveltyTensors } from '../transfer/novelty.ts';
import { classCount, isComplete, type OnnxArchitecture, type OnnxHints } from './architecture.ts';
import { type DescribeOptions, describeOnnx } from './describe.ts';
import { writeForeignExplanation } from './explain-onnx.ts';
import { wrapOnnx } from './wrap.ts';

/** A foreign ONNX model, and what its manifest says about it. */
export interface ForeignModel extends DescribeOptions {
  readonly weightsPath: string;
  readonly hints: OnnxHints;
  /** Gives the wrapped model the output `novelty`. */
  readonly novelty?: NoveltyTensors | undefined;
}

/** Completes the description of a model. @param folder for temporary models */
export async function completed(
  file: OnnxFile,
  hints: OnnxHints,
  options: DescribeOptions,
  folder: string,
): Promise<OnnxArchitecture> {
  return isComplete(hints) ? hints : await describeOnnx(file, hints, options, folder);
}

/**
 * Writes a foreign model with the inputs and outputs of emitted models. If classes can be traced back to the image,
 * the model that explains them is written to `explanationPath`. Absent hints are found first, with temporary models
 * in the folder of `path`.
 *
 * @throws ConversionError when it is not an image classifier, or does not fit its description
 */
export async function writeWrappedOnnx(
  { weightsPath, hints, ...options }: ForeignModel,
  path: string,
  explanationPath: string,
  onProgress: (fraction: number) => void,
): Promise<{ architecture: OnnxArchitecture; files: WrittenFile[]; explanation: WrittenFile | undefined }> {
  const file = await readOnnxFile(weightsPath);
  const architecture = await completed(file, hints, options, dirname(path));
  const classes = classCount(architecture);
  if (options.numClasses !== undefined && options.numClasses !== classes) {
    throw new ConversionError(`output "${architecture.output}" has ${classes} classes, not ${options.numClasses}`);
  }
  const { renamed, ...parts } = wrapOnnx(file, architecture, options);
  const files = await writeOnnxFile(path, parts.model, parts.graph, parts.tensors, { onProgress });
  const { classifier } = architecture;
  const weight = classifier && { name: renamed(classifier.weight), classesFirst: classifier.classes_first };
  const explanation = weight && (await writeForeignExplanation(parts, architecture, weight, path, explanationPath));
  return { architecture, files, explanation };
}
