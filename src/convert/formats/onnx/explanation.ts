import type { ConvolutionHead, DenseHead, ExplainableHead, HiddenLayer } from '../../graph/explanation.ts';
import type { Graph } from '../../graph/graph.ts';
import type { ActivationFunction, Node } from '../../graph/ir.ts';
import type { Weight } from '../../graph/tensors.ts';
import { type WrittenFile, writeFileThrough } from '../file-sink.ts';
import { MODEL_FIELDS, weightTensor } from './emitter.ts';
import { type Constant, constantTensor, emitNode, nodeProto, TO_CHANNELS_FIRST, valueInfo } from './nodes.ts';
import { DATA_TYPE, encode, modelProto, type NodeProto } from './proto.ts';
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

/** The parts of a model while it is being built. */
class Emitted {
  readonly nodes: NodeProto[] = [];
  readonly weights = new Map<string, Weight>();
  readonly constants: Constant[] = [];

  /** Adds a node whose only output has the same name. */
  add(name: string, operator: string, inputs: readonly string[], attributes?: Parameters<typeof nodeProto>[4]): string {
    this.nodes.push(nodeProto(name, operator, inputs, name, attributes));
    return name;
  }

  constant(name: string, shape: readonly number[], values: Constant['values']): string {
    this.constants.push({ name, shape, values });
    return name;
  }

  /** In `sizes`, 0 keeps the size of the input and -1 takes the remaining values. */
  reshape(name: string, input: string, sizes: readonly number[]): string {
    const shape = this.constant(`${name}.shape`, [sizes.length], BigInt64Array.from(sizes, BigInt));
    return this.add(name, 'Reshape', [input, shape]);
  }

  weight(weight: Weight): string {
    this.weights.set(weight.name, weight);
    return weight.name;
  }

  /** Adds layers of the classifier. */
  layers(nodes: readonly Node[], nameOf: NameOf): void {
    for (const node of nodes) {
      const values = { inputs: node.inputs.map(nameOf), output: nameOf(node) };
      const { nodes: emitted, weights = [], constants = [] } = emitNode(node, values, 'uint8');
      this.nodes.push(...emitted);
      this.constants.push(...constants);
      for (const weight of weights) this.weight(weight);
    }
  }
}

type NameOf = (node: Node) => string;

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

/** Repeats the layers of the head up to the last activation function whose output is not an input already. */
function emitForward({ pools, vectorization, hidden }: DenseHead, nameOf: NameOf, emitted: Emitted): void {
  const unknown = hidden.findLastIndex(
    ({ node }) => node.operation.kind === 'activation' && nameOf(node) !== 'features',
  );
  if (unknown < 0) return;
  emitted.add(MAP, 'Transpose', ['activations'], { perm: TO_CHANNELS_FIRST });
  emitted.layers([...pools, vectorization, ...hidden.slice(0, unknown + 1).map(({ node }) => node)], nameOf);
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

/** Emits the derivative of relu or relu6, computed from the output of the function: 1 within its bounds, else 0. */
function emitSlope(node: Node, apply: ActivationFunction, nameOf: NameOf, emitted: Emitted): string {
  const { name } = node;
  const positive = emitted.add(`${name}:above`, 'Sign', [nameOf(node)]);
  if (apply === 'relu') return positive;
  const six = emitted.constant(`${name}.six`, [], Float32Array.of(6));
  const room = emitted.add(`${name}:room`, 'Sub', [six, nameOf(node)]);
  const below = emitted.add(`${name}:below`, 'Sign', [room]);
  return emitted.add(`${name}:slope`, 'Mul', [positive, below]);
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
