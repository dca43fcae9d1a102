import { ConversionError } from '../conversion-error.ts';
import { weightTensor } from '../formats/onnx/emitter.ts';
import { constantTensor, valueInfo } from '../formats/onnx/nodes.ts';
import { DATA_TYPE, type GraphProto, type ModelProto } from '../formats/onnx/proto.ts';
import type { OnnxFile } from '../formats/onnx/reader.ts';
import type { WritableTensor } from '../formats/onnx/writer.ts';
import type { Pair } from '../graph/windows.ts';
import type { NoveltyTensors } from '../transfer/novelty.ts';
import { activationShape, classCount, featureSize, type OnnxArchitecture } from './architecture.ts';
import { withoutFixedBatch } from './batch.ts';
import { joined } from './chain.ts';
import { GraphView, valuesRead } from './graph-view.ts';
import { findInput, requireSize } from './input.ts';
import { renamesOf, renameValues, unusedPrefix } from './naming.ts';
import { foreignNovelty } from './novelty.ts';
import { directOutputs, toOutputs } from './outputs.ts';
import { fromPixels, type Scaling } from './pixels.ts';

/** Before this version, initializers must be listed among the inputs. */
const LEAST_IR_VERSION = 4;

/** How images are converted to the input of the model. */
export interface WrapOptions extends Scaling {
  readonly inputSize: Pair;
  readonly novelty?: NoveltyTensors | undefined;
}

/** The arguments of `writeOnnxFile`. */
export interface OnnxParts {
  readonly model: ModelProto;
  readonly graph: GraphProto;
  readonly tensors: readonly WritableTensor[];
}

/** A wrapped model. */
interface WrappedOnnx extends OnnxParts {
  /** The name of a value of the foreign model in the wrapped model. */
  renamed(value: string): string;
}

/**
 * Gives a foreign model the input and outputs of emitted models: input `pixels`, RGB bytes `[n, height, width, 3]`;
 * outputs `probabilities`, `logits` and `features` `[n, k]`, and `activations` `[n, height, width, channels]`. Nodes
 * that no output depends on are removed.
 *
 * @throws ConversionError when the model lacks a value of the architecture
 */
export function wrapOnnx(file: OnnxFile, architecture: OnnxArchitecture, options: WrapOptions): WrappedOnnx {
  const view = new GraphView(file);
  const input = findInput(view, architecture);
  requireSize(input, options.inputSize);
  const { output, features, activations, max_batch: maxBatch } = architecture;
  const values = [output, features, activations, options.novelty?.reads ?? features];
  for (const value of values) {
    if (view.producer(value) !== undefined && view.isFed(value)) continue;
    throw new ConversionError(`the model has no value "${value}" that depends on its input`);
  }
  const names = view.names();
  const prefix = unusedPrefix(names);
  const needed = view.upTo(values);
  const body =
    maxBatch === undefined ? withoutFixedBatch(needed, view, input.batch, prefix) : { nodes: needed, constants: [] };
  const renames = renamesOf(names, prefix, directOutputs(architecture, isFloat32(file)));
  const rename = (value: string): string => renames.get(value) ?? value;
  const { nodes, constants } = joined(
    fromPixels(input, architecture.channel_order, options, prefix, rename(input.name)),
    { ...body, nodes: body.nodes.map((node) => renameValues(node, renames)) },
    toOutputs(architecture, prefix, rename),
  );
  const novelty = options.novelty && foreignNovelty(options.novelty, view, architecture, rename);
  const read = new Set(nodes.flatMap(valuesRead));
  const tensors = file.tensors.map((tensor) => ({
    ...tensor,
    proto: { ...tensor.proto, name: rename(tensor.proto.name ?? '') },
  }));
  return {
    renamed: rename,
    model: modelFields(file),
    graph: {
      name: 'classifier',
      nodes: [...nodes, ...(novelty?.nodes ?? [])],
      initializers: [...constants, ...(novelty?.constants ?? [])].map(constantTensor),
      inputs: [valueInfo('pixels', [...options.inputSize, 3], DATA_TYPE.uint8, maxBatch)],
      outputs: [
        valueInfo('probabilities', [classCount(architecture)], DATA_TYPE.float, maxBatch),
        valueInfo('logits', [classCount(architecture)], DATA_TYPE.float, maxBatch),
        valueInfo('features', [featureSize(architecture)], DATA_TYPE.float, maxBatch),
        valueInfo('activations', activationShape(architecture), DATA_TYPE.float, maxBatch),
        ...(novelty === undefined ? [] : [valueInfo('novelty', [1], DATA_TYPE.float, maxBatch)]),
      ],
    },
    tensors: [
      ...tensors.filter(({ proto }) => read.has(proto.name)),
      ...[...(novelty?.weights.values() ?? [])].map(weightTensor),
    ],
  };
}

/**
 * The fields of a model besides its graph: versions, and operators that the model defines. Its metadata is left out,
 * since it describes another input and maybe other classes.
 */
export function modelFields({ model }: OnnxFile): ModelProto {
  const { training: _, graph: __, metadata: ___, producerVersion: ____, ...rest } = model;
  return { ...rest, irVersion: Math.max(model.irVersion ?? 0, LEAST_IR_VERSION), producer: 'menagerie' };
}

/** Whether no weight, input or output of the model has a floating-point type other than float32. */
function isFloat32({ graph, tensors }: OnnxFile): boolean {
  const others: readonly unknown[] = [DATA_TYPE.float16, DATA_TYPE.double, DATA_TYPE.bfloat16];
  const infos = [...(graph.inputs ?? []), ...(graph.outputs ?? [])];
  const types = [...infos.map(({ type }) => type?.tensor?.elementType), ...tensors.map(({ proto }) => proto.dataType)];
  return !types.some((type) => others.includes(type));
}
