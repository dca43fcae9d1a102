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
import { type FirstScaling, measureFirstScaling } from './first-scaling.ts';
import { GraphView } from './graph-view.ts';
import { findInput } from './input.ts';
import { BYTES, type PixelEvidence, pixelEvidence } from './pixel-evidence.ts';

/** Input size of most classifiers, for models with a dynamic size when none is given. */
const USUAL_SIZE = 224;
/** The model must fit into one protobuf message of 2 GiB. */
const MAX_BYTES = 1.9e9;

/** What is known about a model to import before its graph is analysed. */
export interface OnnxImport {
  /** What the user says. */
  readonly hints: OnnxHints;
  readonly inputSize?: Pair | undefined;
  /** Used for a model that takes images of any size, when `inputSize` is absent. */
  readonly suggestedSize?: Pair | undefined;
  /** Whether the user says the order of the colours. Else the graph may show it, or something suggest it. */
  readonly orderGiven?: boolean;
  readonly suggestedOrder?: OnnxHints['channel_order'] | undefined;
  /** What the user says. Used only for trial runs. */
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
  /** The pixels that its first operations show to be right. */
  readonly evidence: PixelEvidence;
  /** Whether its input size is dynamic. */
  readonly isSizeOpen: boolean;
  /** Whether it resizes images of any size to its input size. */
  readonly resizes: boolean;
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
  const first = await measureFirstScaling(file, view, input, dirname(target));
  const evidence = evidenceOf(input.elementType, first);
  const [height, width] = first?.resizedTo ?? given.suggestedSize ?? [USUAL_SIZE, USUAL_SIZE];
  const options = {
    inputSize: given.inputSize ?? ([input.height ?? height, input.width ?? width] as const),
    mean: given.mean ?? evidence.scaling?.mean ?? [0, 0, 0],
    std: given.std ?? evidence.scaling?.std ?? [1, 1, 1],
    numClasses: given.numClasses,
  };
  const order = evidence.channelOrder ?? given.suggestedOrder;
  const hints = given.orderGiven || order === undefined ? given.hints : { ...given.hints, channel_order: order };
  const architecture = await completed(file, hints, options, dirname(target));
  await store(file, path, target);
  return {
    architecture,
    inputSize: options.inputSize,
    numClasses: classCount(architecture),
    featureSize: featureSize(architecture),
    parameters: parametersOf(file),
    evidence,
    isSizeOpen: input.height === undefined || input.width === undefined,
    resizes: first?.resizedTo !== undefined,
  };
}

function evidenceOf(elementType: number, first: FirstScaling | undefined): PixelEvidence {
  const evidence = first === undefined ? {} : pixelEvidence(first);
  return elementType === DATA_TYPE.uint8 ? { ...evidence, scaling: BYTES } : evidence;
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
