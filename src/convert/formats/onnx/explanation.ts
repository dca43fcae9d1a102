import type { ExplainableHead, HiddenLayer } from '../../graph/explanation.ts';
import type { Graph } from '../../graph/graph.ts';
import type { ActivationFunction, Node } from '../../graph/ir.ts';
import type { Weight } from '../../graph/tensors.ts';
import { type WrittenFile, writeFileThrough } from '../file-sink.ts';
import { MODEL_HEAD, weightTensor } from './emitter.ts';
import { type Constant, constantTensor, emitNode, nodeProto, valueInfo } from './nodes.ts';
import { DATA_TYPE, encode, modelProto, type NodeProto } from './proto.ts';
import { externalTensor, type TensorPlace } from './writer.ts';

/** The activations with their channels first, as the layers of a head read them. */
const MAP = 'activations:map';

/**
 * Writes the model that explains a class: inputs `activations` `[n, height, width, channels]` and `features` as
 * the model gives them, and `class` int64 `[n]`; output `explanation` `[n, height, width]`, what each cell of the map adds to the logit of the class. Of a linear head
 * the sum over the cells and the class's bias are the logit itself; of another it is the part that is linear around this
 * picture: the mean gradient of each channel, times its activations.
 *
 * It holds no weights of its own but refers to those that `places` says, in files of the same folder.
 */
export async function writeOnnxExplanation(
  { outputs: { activations, features } }: Graph,
  head: ExplainableHead,
  path: string,
  places: ReadonlyMap<string, TensorPlace>,
): Promise<WrittenFile> {
  const { height, width, channels } = activations.shape;
  const emitted = new Emitted();
  const nameOf = (node: Node) => (node === features ? 'features' : node === activations ? MAP : `${node.name}:out`);
  emitForward(head, nameOf, emitted);
  const gradient = emitBackward(head, nameOf, emitted);
  emitExplanation(gradient, [height, width, channels], emitted);
  const graph = {
    name: 'explanation',
    nodes: emitted.nodes,
    initializers: [
      ...emitted.constants.map(constantTensor),
      ...[...emitted.weights.values()].map((weight) => externalTensor(weightTensor(weight), placeOf(weight, places))),
    ],
    inputs: [
      valueInfo('activations', [height, width, channels], DATA_TYPE.float),
      valueInfo('features', [features.shape.length], DATA_TYPE.float),
      valueInfo('class', [], DATA_TYPE.int64),
    ],
    outputs: [valueInfo('explanation', [height, width], DATA_TYPE.float)],
  };
  const bytes = encode(modelProto, { ...MODEL_HEAD, graph });
  return await writeFileThrough(path, (sink) => sink.write(bytes));
}

/** What a model is made of, as it grows. */
class Emitted {
  readonly nodes: NodeProto[] = [];
  readonly weights = new Map<string, Weight>();
  readonly constants: Constant[] = [];

  /** A node whose only output has its name. */
  add(name: string, operator: string, inputs: readonly string[], attributes?: Parameters<typeof nodeProto>[4]): string {
    this.nodes.push(nodeProto(name, operator, inputs, name, attributes));
    return name;
  }

  constant(name: string, shape: readonly number[], values: Constant['values']): string {
    this.constants.push({ name, shape, values });
    return name;
  }

  /** 0 stands for the size that is there, -1 for what is left. */
  reshape(name: string, input: string, sizes: readonly number[]): string {
    const shape = this.constant(`${name}.shape`, [sizes.length], BigInt64Array.from(sizes, BigInt));
    return this.add(name, 'Reshape', [input, shape]);
  }

  weight(weight: Weight): string {
    this.weights.set(weight.name, weight);
    return weight.name;
  }
}

type Names = (node: Node) => string;

/** The head anew, as far as an activation function depends on it whose output is not known already. */
function emitForward({ pools, vectorization, hidden }: ExplainableHead, nameOf: Names, emitted: Emitted): void {
  const unknown = hidden.findLastIndex(
    ({ node }) => node.operation.kind === 'activation' && nameOf(node) !== 'features',
  );
  if (unknown < 0) return;
  emitted.add(MAP, 'Transpose', ['activations'], { perm: [0, 3, 1, 2] });
  for (const node of [...pools, vectorization, ...hidden.slice(0, unknown + 1).map((layer) => layer.node)]) {
    const values = { inputs: node.inputs.map(nameOf), output: nameOf(node) };
    const { nodes, weights = [], constants = [] } = emitNode(node, values, 'uint8');
    emitted.nodes.push(...nodes);
    emitted.constants.push(...constants);
    for (const weight of weights) emitted.weight(weight);
  }
}

/** From the logit of the class back to the sum of each channel's gradient on the map, `[n, channels]`. */
function emitBackward({ vectorization, hidden, classifier }: ExplainableHead, nameOf: Names, emitted: Emitted): string {
  const weight = emitted.weight(classifier.operation.weight);
  let gradient = emitted.add(`${classifier.name}:gradient`, 'Gather', [weight, 'class']);
  for (const layer of [...hidden].reverse()) gradient = emitGradient(layer, gradient, nameOf, emitted);
  // A mean spreads its gradient over the cells: their sum is what arrived.
  if (vectorization.operation.kind === 'global_average_pool') return gradient;
  const { name } = vectorization;
  const axis = emitted.constant(`${name}.cells`, [1], BigInt64Array.of(2n));
  const byCell = emitted.reshape(`${name}:cells`, gradient, [0, channelsInto(vectorization), -1]);
  return emitted.add(`${name}:gradient`, 'ReduceSum', [byCell, axis], { keepdims: 0 });
}

/** From the gradient of what a layer makes to that of what it reads. */
function emitGradient({ node, input }: HiddenLayer, gradient: string, nameOf: Names, emitted: Emitted): string {
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

/** 1 where an activation function lets its input through, else 0: told from what came out. */
function emitSlope(node: Node, apply: ActivationFunction, nameOf: Names, emitted: Emitted): string {
  const { name } = node;
  const positive = emitted.add(`${name}:above`, 'Sign', [nameOf(node)]);
  if (apply === 'relu') return positive;
  const six = emitted.constant(`${name}.six`, [], Float32Array.of(6));
  const room = emitted.add(`${name}:room`, 'Sub', [six, nameOf(node)]);
  const below = emitted.add(`${name}:below`, 'Sign', [room]);
  return emitted.add(`${name}:slope`, 'Mul', [positive, below]);
}

/** The mean gradient of each channel times its activations, summed over the channels. */
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
  if (shape.kind !== 'vector') throw new Error('a head joins vectors');
  return shape.length;
}

function channelsInto({ inputs: [map] }: Node): number {
  if (map?.shape.kind !== 'map') throw new Error('a layer that makes a vector of a map reads a map');
  return map.shape.channels;
}

function placeOf({ name }: Weight, places: ReadonlyMap<string, TensorPlace>): TensorPlace {
  const place = places.get(name);
  if (place === undefined) throw new Error(`nobody has written the weight "${name}"`);
  return place;
}
