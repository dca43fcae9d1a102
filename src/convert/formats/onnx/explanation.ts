import { encode } from '../../../common/protobuf.ts';
import {
  type ConvolutionHead,
  type DenseHead,
  type ExplainableHead,
  type HiddenLayer,
  slopeReadsInput,
} from '../../graph/explanation.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Node } from '../../graph/ir.ts';
import type { Weight } from '../../graph/tensors.ts';
import { type WrittenFile, writeFileThrough } from '../file-sink.ts';
import { emitSlope } from './activation-slope.ts';
import { Emitted, type NameOf } from './emitted.ts';
import { MODEL_FIELDS, weightTensor } from './emitter.ts';
import { constantTensor, TO_CHANNELS_FIRST, valueInfo } from './nodes.ts';
import { DATA_TYPE, modelProto } from './proto.ts';
import { externalTensor, type TensorLocation } from './writer.ts';

/** Name of the activations with their channels first, as the layers of a head read them. */
const MAP = 'activations:map';

/**
 * Writes the model that explains a class. Inputs: `activations` `[n, height, width, channels]` and `features`, as the
 * classifier gives them, and `class`, int64 `[n]`. Output: `explanation` `[n, height, width]`, what each cell of the
 * map adds to the logit of the class. With the method `cam`, the sum over the cells plus the bias of a dense layer is
 * the logit. With `grad_cam` it is the part of the logit that is linear around the image: the mean gradient of each
 * channel times its activations.
 *
 * The model holds no weights: it refers to those that `locations` names, in files of the same folder.
 */
export async function writeOnnxExplanation(
  { outputs: { activations, features } }: Graph,
  head: ExplainableHead,
  path: string,
  locations: ReadonlyMap<string, TensorLocation>,
): Promise<WrittenFile> {
  const { height, width, channels } = activations.shape;
  const emitted = new Emitted();
  const nameOf = (node: Node) => (node === features ? 'features' : node === activations ? MAP : `${node.name}:out`);
  if (head.kind === 'convolution') {
    emitClassMap(head, nameOf, height * width, emitted);
  } else {
    emitForward(head, nameOf, emitted);
    const gradient = emitBackward(head, nameOf, emitted);
    emitExplanation(gradient, [height, width, channels], emitted);
  }
  const graph = {
    name: 'explanation',
    nodes: emitted.nodes,
    initializers: [
      ...emitted.constants.map(constantTensor),
      ...[...emitted.weights.values()].map((weight) =>
        externalTensor(weightTensor(weight), locationOf(weight, locations)),
      ),
    ],
    inputs: [
      valueInfo('activations', [height, width, channels], DATA_TYPE.float),
      valueInfo('features', [features.shape.length], DATA_TYPE.float),
      valueInfo('class', [], DATA_TYPE.int64),
    ],
    outputs: [valueInfo('explanation', [height, width], DATA_TYPE.float)],
  };
  const bytes = encode(modelProto, { ...MODEL_FIELDS, graph });
  return await writeFileThrough(path, (sink) => sink.write(bytes));
}

/** The logit is the mean of the channel of its class, so each cell of that channel is its share, but for the mean. */
function emitClassMap({ layers }: ConvolutionHead, nameOf: NameOf, cells: number, emitted: Emitted): void {
  emitted.add(MAP, 'Transpose', ['activations'], { perm: TO_CHANNELS_FIRST });
  emitted.layers(layers, nameOf);
  const last = layers.at(-1);
  const index = emitted.reshape('class:index', 'class', [-1, 1]);
  const classMap = emitted.add('class:map', 'GatherND', [last ? nameOf(last) : MAP, index], { batch_dims: 1 });
  const share = emitted.constant('explanation:share', [], Float32Array.of(1 / cells));
  emitted.add('explanation', 'Mul', [classMap, share]);
}

/** Repeats the layers of the head whose outputs the slopes of activation functions need and the inputs lack. */
function emitForward({ pools, vectorization, hidden }: DenseHead, nameOf: NameOf, emitted: Emitted): void {
  const needed = hidden.map(({ node }, index) => {
    const { operation } = node;
    if (operation.kind !== 'activation') return -1;
    if (slopeReadsInput(operation.function)) return index;
    return nameOf(node) === 'features' ? -1 : index + 1;
  });
  const count = Math.max(-1, ...needed);
  if (count < 0) return;
  emitted.add(MAP, 'Transpose', ['activations'], { perm: TO_CHANNELS_FIRST });
  emitted.layers([...pools, vectorization, ...hidden.slice(0, count).map(({ node }) => node)], nameOf);
}

/** Emits the sum of the gradient over each channel of the map, `[n, channels]`. */
function emitBackward({ vectorization, hidden, classifier }: DenseHead, nameOf: NameOf, emitted: Emitted): string {
  const weight = emitted.weight(classifier.operation.weight);
  let gradient = emitted.add(`${classifier.name}:gradient`, 'Gather', [weight, 'class']);
  for (const layer of [...hidden].reverse()) gradient = emitGradient(layer, gradient, nameOf, emitted);
  // The mean of a channel spreads its gradient over the cells, so the sum over the cells is that gradient.
  if (vectorization.operation.kind === 'global_average_pool') return gradient;
  const { name } = vectorization;
  const axis = emitted.constant(`${name}.cells`, [1], BigInt64Array.of(2n));
  const byCell = emitted.reshape(`${name}:cells`, gradient, [0, channelsInto(vectorization), -1]);
  return emitted.add(`${name}:gradient`, 'ReduceSum', [byCell, axis], { keepdims: 0 });
}

/** Emits the gradient of the input of a layer from the gradient of its output. */
function emitGradient({ node, input }: HiddenLayer, gradient: string, nameOf: NameOf, emitted: Emitted): string {
  const { name, operation } = node;
  switch (operation.kind) {
    case 'dense':
      return emitted.add(`${name}:gradient`, 'MatMul', [gradient, emitted.weight(operation.weight)]);
    case 'activation':
      return emitted.add(`${name}:gradient`, 'Mul', [gradient, emitSlope(node, operation.function, nameOf, emitted)]);
    case 'concat': {
      const before = node.inputs.slice(0, node.inputs.indexOf(input)).reduce((sum, part) => sum + lengthOf(part), 0);
      const bounds = [before, before + lengthOf(input), 1].map((value, index) =>
        emitted.constant(`${name}.bound${index}`, [1], BigInt64Array.of(BigInt(value))),
      );
      return emitted.add(`${name}:gradient`, 'Slice', [gradient, ...bounds]);
    }
  }
}

/** Emits the mean gradient of each channel times its activations, summed over the channels. */
function emitExplanation(
  gradient: string,
  [height, width, channels]: readonly [number, number, number],
  emitted: Emitted,
): void {
  const cells = height * width;
  const column = emitted.reshape('explanation:gradient', gradient, [0, channels, 1]);
  const map = emitted.reshape('activations:cells', 'activations', [0, cells, channels]);
  const sums = emitted.add('explanation:sums', 'MatMul', [map, column]);
  const share = emitted.constant('explanation:share', [], Float32Array.of(1 / cells));
  const scaled = emitted.add('explanation:scaled', 'Mul', [sums, share]);
  emitted.reshape('explanation', scaled, [0, height, width]);
}

function lengthOf({ shape }: Node): number {
  if (shape.kind !== 'vector') throw new Error('a head concatenates vectors only');
  return shape.length;
}

function channelsInto({ inputs: [map] }: Node): number {
  if (map?.shape.kind !== 'map') throw new Error('the layer before the vectors must read a map');
  return map.shape.channels;
}

function locationOf({ name }: Weight, locations: ReadonlyMap<string, TensorLocation>): TensorLocation {
  const location = locations.get(name);
  if (location === undefined) throw new Error(`no file holds the weight "${name}"`);
  return location;
}
