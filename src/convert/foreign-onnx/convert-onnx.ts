import { dirname } from 'node:path';
import { ConversionError } from '../conversion-error.ts';
import type { WrittenFile } from '../formats/file-sink.ts';
import { type OnnxFile, readOnnxFile } from '../formats/onnx/reader.ts';
import { writeOnnxFile } from '../formats/onnx/writer.ts';
import { classCount, isComplete, type OnnxArchitecture, type OnnxHints } from './architecture.ts';
import { type DescribeOptions, describeOnnx } from './describe.ts';
import { writeForeignExplanation } from './explain-onnx.ts';
import { wrapOnnx } from './wrap.ts';

/** An ONNX model made elsewhere, and what is known of it. */
export interface ForeignModel extends DescribeOptions {
  readonly weightsPath: string;
  readonly hints: OnnxHints;
}

/** What is known of a model, and what a look at it adds. @param folder for trials */
export async function completed(
  file: OnnxFile,
  hints: OnnxHints,
  options: DescribeOptions,
  folder: string,
): Promise<OnnxArchitecture> {
  return isComplete(hints) ? hints : await describeOnnx(file, hints, options, folder);
}

/**
 * Writes a model made elsewhere as one of ours, and, where a class can be traced back to the picture, the model that does
 * so to `explanationPath`. What the hints leave open is found out first, with trials in the folder
 * of `path`.
 *
 * @throws ConversionError when it is no classifier of images, or not the one that is described
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
    throw new ConversionError(
      `output "${architecture.output}" tells ${classes} classes apart, not ${options.numClasses}`,
    );
  }
  const { renamed, ...parts } = wrapOnnx(file, architecture, options);
  const files = await writeOnnxFile(path, parts.head, parts.graph, parts.tensors, { onProgress });
  const { classifier } = architecture;
  const weight = classifier && { name: renamed(classifier.weight), classesFirst: classifier.classes_first };
  const explanation = weight && (await writeForeignExplanation(parts, architecture, weight, path, explanationPath));
  return { architecture, files, explanation };
}
