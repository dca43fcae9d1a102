import { dirname } from 'node:path';
import { ConversionError } from '../conversion-error.ts';
import type { WrittenFile } from '../formats/file-sink.ts';
import { type OnnxFile, readOnnxFile } from '../formats/onnx-file.ts';
import { writeOnnxFile } from '../formats/onnx-writer.ts';
import { classCount, isComplete, type OnnxArchitecture, type OnnxHints } from './architecture.ts';
import { type DescribeOptions, describeOnnx } from './describe.ts';
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
 * Writes a model made elsewhere as one of ours. What the hints leave open is found out first, with trials in the folder
 * of `path`.
 *
 * @throws ConversionError when it is no classifier of images, or not the one that is described
 */
export async function writeWrappedOnnx(
  { weightsPath, hints, ...options }: ForeignModel,
  path: string,
  onProgress: (fraction: number) => void,
): Promise<{ architecture: OnnxArchitecture; files: WrittenFile[] }> {
  const file = await readOnnxFile(weightsPath);
  const architecture = await completed(file, hints, options, dirname(path));
  const classes = classCount(architecture);
  if (options.numClasses !== undefined && options.numClasses !== classes) {
    throw new ConversionError(
      `output "${architecture.output}" tells ${classes} classes apart, not ${options.numClasses}`,
    );
  }
  const { head, graph, tensors } = wrapOnnx(file, architecture, options);
  return { architecture, files: await writeOnnxFile(path, head, graph, tensors, { onProgress }) };
}
