import { copyFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { elementCount } from '../../common/tensor.ts';
import { ConversionError } from '../conversion-error.ts';
import { DATA_TYPE } from '../formats/onnx/proto.ts';
import { type OnnxFile, readOnnxFile } from '../formats/onnx/reader.ts';
import { writeOnnxFile } from '../formats/onnx/writer.ts';
import type { Pair } from '../graph/windows.ts';
import { classCount, featureSize, type OnnxArchitecture, type OnnxHints } from './architecture.ts';
import { completed } from './convert-onnx.ts';
import { type EmbeddedLabels, embeddedLabels } from './embedded-labels.ts';
import { GraphView } from './graph-view.ts';
import { findInput } from './input.ts';
import { pixelMaximum } from './pixel-range.ts';

/** Input size of most classifiers, for models with a dynamic size when none is given. */
const USUAL_SIZE = 224;
/** The model must fit into one protobuf message of 2 GiB. */
const MAX_BYTES = 1.9e9;

/** What the user says about a model to import. */
export interface OnnxImport {
  readonly hints: OnnxHints;
  readonly inputSize?: Pair | undefined;
  /** Used for a model that takes images of any size, when `inputSize` is absent. */
  readonly suggestedSize?: Pair | undefined;
  /** Used only for trial runs. */
  readonly mean?: readonly number[] | undefined;
  readonly std?: readonly number[] | undefined;
  readonly numClasses?: number | undefined;
}

/** Facts about an ONNX model for its manifest. */
export interface ImportedOnnx {
  readonly architecture: OnnxArchitecture;
  readonly inputSize: Pair;
  readonly numClasses: number;
  readonly featureSize: number;
  /** Number of values in its weights. */
  readonly parameters: number;
  /** The largest value of a pixel, if the model scales its input itself. */
  readonly pixelMaximum: 255 | 1 | undefined;
  /** Whether its input size is dynamic. */
  readonly isSizeOpen: boolean;
  /** The names of its classes, when it contains them. */
  readonly embedded?: EmbeddedLabels | undefined;
}

/**
 * Analyses an ONNX classifier and copies it to one file, including weights that are in files beside it.
 *
 * @param target the new file; its folder is used for temporary models
 * @throws ConversionError that says why it is not an image classifier
 */
export async function importOnnx(path: string, given: OnnxImport, target: string): Promise<ImportedOnnx> {
  const file = await readOnnxFile(path);
  const view = new GraphView(file);
  const input = findInput(view, given.hints);
  const maximum = input.elementType === DATA_TYPE.uint8 ? 255 : pixelMaximum(view, input.name);
  const unit = 1 / (maximum ?? 1);
  const [height, width] = given.suggestedSize ?? [USUAL_SIZE, USUAL_SIZE];
  const options = {
    inputSize: given.inputSize ?? ([input.height ?? height, input.width ?? width] as const),
    mean: given.mean ?? [0, 0, 0],
    std: given.std ?? [unit, unit, unit],
    numClasses: given.numClasses,
  };
  const architecture = await completed(file, given.hints, options, dirname(target));
  await store(file, path, target);
  return {
    architecture,
    inputSize: options.inputSize,
    numClasses: classCount(architecture),
    featureSize: featureSize(architecture),
    parameters: parametersOf(file),
    pixelMaximum: maximum,
    embedded: embeddedLabels(file),
    isSizeOpen: input.height === undefined || input.width === undefined,
  };
}

async function store(file: OnnxFile, path: string, target: string): Promise<void> {
  if (file.dataFiles.length === 0) return await copyFile(path, target);
  const bytes = file.tensors.reduce((sum, { values }) => sum + (values?.length ?? 0), 0);
  if (bytes > MAX_BYTES) {
    throw new ConversionError(
      `the weights in ${file.dataFiles.join(', ')} have ${bytes} bytes; at most ${MAX_BYTES} are supported`,
    );
  }
  await writeOnnxFile(target, file.model, file.graph, file.tensors);
}

function parametersOf({ tensors }: OnnxFile): number {
  const { int64: _, ...learnt } = DATA_TYPE;
  const types: readonly unknown[] = Object.values(learnt);
  const weights = tensors.filter(({ proto }) => types.includes(proto.dataType));
  return weights.reduce((sum, { proto }) => sum + elementCount(proto.dims ?? []), 0);
}
