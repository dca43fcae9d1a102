import { z } from 'zod';
import { activation, add, multiply, type Node } from '../../graph/ir.ts';
import { affine, times } from './affine.ts';
import type { Constant } from './calls.ts';
import { readItem } from './channels.ts';
import type { FlattenedMap } from './kernels.ts';
import type { LayerReading } from './layer-reading.ts';
import { type MapValue, mapValue, type Value, type VectorValue } from './values.ts';

type Operator = 'add' | 'subtract' | 'multiply' | 'divide';
type Operand = MapValue | VectorValue;

export const readAdd = (layer: LayerReading) => readArithmetic(layer, 'add');
export const readSubtract = (layer: LayerReading) => readArithmetic(layer, 'subtract');
export const readMultiply = (layer: LayerReading) => readArithmetic(layer, 'multiply');
export const readDivide = (layer: LayerReading) => readArithmetic(layer, 'divide');

/** Arithmetic of values, or of one value and a constant. */
function readArithmetic(layer: LayerReading, operator: Operator): Value {
  const { operands } = layer;
  const constants = operands.flatMap((operand) => (operand.kind === 'constant' ? operand : []));
  const [constant] = constants;
  if (constant !== undefined && operands.length === 2 && constants.length === 1) {
    return withConstant(layer, operator, constant, operands[0] === constant);
  }
  if (constant !== undefined || operands.length < 2) return layer.fail('it needs at least two inputs');
  if (operator === 'divide') return layer.fail('it can divide by constants only, not by the outputs of layers');
  const [first, ...others] = layer.inputs.map((value) => layer.usual(value));
  if (first === undefined) return layer.fail('it needs at least two inputs');
  return others.reduce((before, value, index) => {
    const name = index === others.length - 1 ? layer.name : `${layer.name}.${index}`;
    if (operator === 'multiply') return product(layer, name, before, value);
    return sum(layer, name, before, operator === 'add' ? value : multiplied(`${name}.minus`, value, -1));
  }, first);
}

function sum(layer: LayerReading, name: string, a: Operand, b: Operand): Operand {
  if (a.node === b.node) return multiplied(name, a, 2);
  if (a.kind === 'map' && b.kind === 'map') return mapValue(add(name, a.node, b.node));
  if (a.kind === 'vector' && b.kind === 'vector' && alike(a.flattened, b.flattened)) {
    return { ...a, node: add(name, a.node, b.node) };
  }
  return layer.fail('its inputs have different shapes');
}

function multiplied(name: string, value: Operand, factor: number): Operand {
  return value.kind === 'map'
    ? mapValue(times(name, value.node, factor))
    : { ...value, node: times(name, value.node, factor) };
}

/** The mean of its inputs. */
export function readAverage(layer: LayerReading): Value {
  const [first, ...others] = layer.inputs.map((value) => layer.usual(value));
  if (first === undefined) return layer.fail('it has no inputs');
  const total = others.reduce((before, value, index) => sum(layer, `${layer.name}.${index}`, before, value), first);
  const share = 1 / (others.length + 1);
  return multiplied(layer.name, total, share);
}

/** A vector with one value per channel multiplies a map, as in squeeze-and-excitation. */
function product(layer: LayerReading, name: string, a: Operand, b: Operand): Operand {
  // TF.js cannot read a value twice in one layer.
  if (a.node === b.node) return product(layer, name, a, multiplied(`${name}.copy`, b, 1));
  if (a.kind === 'map') {
    if (b.kind === 'vector' && b.flattened !== undefined) return layer.fail('its inputs have different shapes');
    return mapValue(gated(name, a.node, b.node) ?? multiply(name, a.node, b.node));
  }
  if (b.kind === 'map') return product(layer, name, b, a);
  if (!alike(a.flattened, b.flattened)) return layer.fail('its inputs have different shapes');
  return { ...a, node: gated(name, a.node, b.node) ?? multiply(name, a.node, b.node) };
}

/** Functions that Keras's own networks write as a product: `x * sigmoid(x)`. */
const GATED = { sigmoid: 'swish', keras3_hard_sigmoid: 'hard_swish' } as const;

function gated<N extends Node>(name: string, a: N, b: Node): N | undefined {
  const swish = (x: Node, gate: Node) => {
    const { operation, inputs } = gate;
    if (operation.kind !== 'activation' || inputs[0] !== x) return undefined;
    if (operation.function !== 'sigmoid' && operation.function !== 'keras3_hard_sigmoid') return undefined;
    return activation(name, x, GATED[operation.function]);
  };
  return (swish(a, b) ?? swish(b, a)) as N | undefined;
}

function withConstant(layer: LayerReading, operator: Operator, { values }: Constant, isFirst: boolean): Value {
  const value = layer.mapOrVector();
  if (isFirst && operator === 'divide') return layer.fail('it can divide by a constant, but not a constant by a layer');
  const channels = value.kind === 'map' ? value.node.shape.channels : value.node.shape.length;
  const isFlattened = value.kind === 'vector' && value.flattened !== undefined;
  if (values.length !== 1 && (values.length !== channels || isFlattened)) {
    return layer.fail(`its constant has ${values.length} values, which do not fit ${channels} channels`);
  }
  const perChannel = Array.from({ length: channels }, (_, index) => values[index % values.length] ?? 0);
  const all = (filled: number) => Array<number>(channels).fill(filled);
  switch (operator) {
    case 'add':
      return scaled(layer, value, all(1), perChannel);
    case 'subtract':
      if (isFirst) return scaled(layer, value, all(-1), perChannel);
      return scaled(
        layer,
        value,
        all(1),
        perChannel.map((number) => -number),
      );
    case 'multiply':
      return scaled(layer, value, perChannel, all(0));
    case 'divide':
      return scaled(
        layer,
        value,
        perChannel.map((number) => 1 / number),
        all(0),
      );
  }
}

function scaled(layer: LayerReading, value: Operand, scale: readonly number[], shift: readonly number[]): Value {
  const { name } = layer;
  const x = hardSigmoidInput(value.node, scale, shift);
  if (x !== undefined) return { ...value, node: activation(name, x, 'keras3_hard_sigmoid') } as Value;
  return value.kind === 'map'
    ? mapValue(affine(name, value.node, scale, shift))
    : { ...value, node: affine(name, value.node, scale, shift) };
}

/** The `x` of `relu6(x + 3) / 6`, which is how MobileNetV3 writes a hard sigmoid. */
function hardSigmoidInput(node: Node, scale: readonly number[], shift: readonly number[]): Node | undefined {
  const [before] = node.inputs;
  if (node.operation.kind !== 'activation' || node.operation.function !== 'relu6') return undefined;
  if (before?.operation.kind !== 'normalize') return undefined;
  const isSixth = scale.every((value) => Math.abs(value - 1 / 6) < 1e-6) && shift.every((value) => value === 0);
  const { scale: one, shift: three } = before.operation;
  const isShifted = one.every((value) => value === 1) && three.every((value) => value === 3);
  return isSixth && isShifted ? before.inputs[0] : undefined;
}

function alike(a: FlattenedMap | undefined, b: FlattenedMap | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

const FUNCTIONS: ReadonlyMap<string, (layer: LayerReading) => Value> = new Map([
  ['math.add', readAdd],
  ['__operators__.add', readAdd],
  ['math.subtract', readSubtract],
  ['math.multiply', readMultiply],
  ['math.truediv', readDivide],
  ['math.divide', readDivide],
  ['nn.bias_add', readAdd],
  ['__operators__.getitem', readItem],
  ['cast', (layer) => layer.input()],
]);

/** A TensorFlow function that Keras 2 saved as a layer. */
export function readFunction(layer: LayerReading): Value {
  const { function: name } = layer.options(z.object({ function: z.string() }));
  const read = FUNCTIONS.get(name);
  if (read !== undefined) return read(layer);
  return layer.fail(
    `the function "${name}" is not supported; the supported ones are ${[...FUNCTIONS.keys()].join(', ')}`,
  );
}
