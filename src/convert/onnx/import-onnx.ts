import { copyFile } from 'node:fs/promises';
import { elementCount } from '../../tensor.ts';
import { ConversionError } from '../conversion-error.ts';
import { type OnnxFile, readOnnxFile } from '../formats/onnx-file.ts';
import { DATA_TYPE } from '../formats/onnx-proto.ts';
import { writeOnnxFile } from '../formats/onnx-writer.ts';
import type { Pair } from '../windows.ts';
import { classCount, featureSize, type OnnxArchitecture, type OnnxHints } from './architecture.ts';
import { completed } from './convert-onnx.ts';
import { GraphView } from './graph-view.ts';
import { findInput } from './input.ts';
import type { Scaling } from './pixels.ts';

/** Where a model leaves its size open, and nobody says it: what most classifiers were trained on. */
const USUAL_SIZE = 224;
/** Of ImageNet, as most classifiers are trained with. */
const USUAL_SCALING: Scaling = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
/** Of a model that takes bytes and scales them itself. */
const NO_SCALING: Scaling = { mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] };
/** The whole must fit one protobuf message, with room for the graph. */
const MAX_BYTES = 1.9e9;

/** What is told of a model that is to be imported; what is left open is guessed. */
export interface OnnxImport {
  readonly hints: OnnxHints;
  readonly inputSize?: Pair | undefined;
  readonly mean?: readonly number[] | undefined;
  readonly std?: readonly number[] | undefined;
  readonly numClasses?: number | undefined;
}

/** What a manifest says of an ONNX model. */
export interface ImportedOnnx extends Scaling {
  readonly architecture: OnnxArchitecture;
  readonly inputSize: Pair;
  readonly numClasses: number;
  readonly featureSize: number;
  /** Numbers in its weights. */
  readonly parameters: number;
}

/**
 * Looks at an ONNX classifier and puts it down as one file, into which weights that lay beside it are taken.
 *
 * @param target the new file; trials are made in its folder
 * @throws ConversionError that names what is no part of a classifier of photos
 */
export async function importOnnx(
  path: string,
  given: OnnxImport,
  target: string,
  folder: string,
): Promise<ImportedOnnx> {
  const file = await readOnnxFile(path);
  const input = findInput(new GraphView(file), given.hints);
  const usual = input.elementType === DATA_TYPE.uint8 ? NO_SCALING : USUAL_SCALING;
  const options = {
    inputSize: given.inputSize ?? ([input.height ?? USUAL_SIZE, input.width ?? USUAL_SIZE] as const),
    mean: given.mean ?? usual.mean,
    std: given.std ?? usual.std,
    numClasses: given.numClasses,
  };
  const architecture = await completed(file, given.hints, options, folder);
  await store(file, path, target);
  return {
    architecture,
    inputSize: options.inputSize,
    mean: options.mean,
    std: options.std,
    numClasses: classCount(architecture),
    featureSize: featureSize(architecture),
    parameters: parametersOf(file),
  };
}

async function store(file: OnnxFile, path: string, target: string): Promise<void> {
  if (file.dataFiles.length === 0) return await copyFile(path, target);
  const bytes = file.tensors.reduce((sum, { values }) => sum + (values?.length ?? 0), 0);
  if (bytes > MAX_BYTES) {
    throw new ConversionError(
      `the weights in ${file.dataFiles.join(', ')} are ${bytes} bytes; at most ${MAX_BYTES} are taken`,
    );
  }
  await writeOnnxFile(target, file.head, file.graph, file.tensors);
}

function parametersOf({ tensors }: OnnxFile): number {
  const floats: readonly unknown[] = [DATA_TYPE.float, DATA_TYPE.float16, DATA_TYPE.double];
  const weights = tensors.filter(({ proto }) => floats.includes(proto.dataType));
  return weights.reduce((sum, { proto }) => sum + elementCount(proto.dims ?? []), 0);
}
