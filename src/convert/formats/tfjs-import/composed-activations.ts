import { activation, add, multiply, type Node, type Shape } from '../../graph/ir.ts';
import type { Weight } from '../../graph/tensors.ts';
import { affine, scaledBy, times } from './affine.ts';

/** Builds an activation function of several layers; the last one has the name. */
type Composition = <S extends Shape>(name: string, x: Node<S>) => Node<S>;

/** Activation functions of Keras that are several layers of the layer graph. */
export const COMPOSED_ACTIVATIONS: ReadonlyMap<string, Composition> = new Map<string, Composition>([
  [
    'mish',
    (name, x) => multiply(name, x, activation(`${name}.tanh`, activation(`${name}.softplus`, x, 'softplus'), 'tanh')),
  ],
  ['gelu_new', geluByTanh],
  [
    'log_sigmoid',
    (name, x) => times(name, activation(`${name}.softplus`, times(`${name}.minus`, x, -1), 'softplus'), -1),
  ],
  ['hard_tanh', hardTanh],
  ['celu', (name, x) => activation(name, x, 'elu')],
  ['tanh_shrink', (name, x) => add(name, x, times(`${name}.minus`, activation(`${name}.tanh`, x, 'tanh'), -1))],
]);

/** `x * (1 + tanh(y)) / 2 = x * sigmoid(2 y)`, where `y = sqrt(2 / pi) * (x + 0.044715 x^3)` */
function geluByTanh<S extends Shape>(name: string, x: Node<S>): Node<S> {
  // TF.js cannot multiply a value by itself.
  const square = multiply(`${name}.square`, x, times(`${name}.part`, x, 0.044715));
  const sum = add(`${name}.sum`, x, multiply(`${name}.cube`, square, x));
  const gate = activation(`${name}.gate`, times(`${name}.twice`, sum, 2 * Math.sqrt(2 / Math.PI)), 'sigmoid');
  return multiply(name, x, gate);
}

/** `x` clipped to -1..1 */
function hardTanh<S extends Shape>(name: string, x: Node<S>): Node<S> {
  const channels = x.shape.kind === 'map' ? x.shape.channels : x.shape.length;
  const all = (value: number) => Array<number>(channels).fill(value);
  const raised = affine(`${name}.raised`, x, all(3), all(3));
  return affine(name, activation(`${name}.relu6`, raised, 'relu6'), all(1 / 3), all(-1));
}

/** `x` clipped to 0..`top` */
export function clipped<S extends Shape>(name: string, x: Node<S>, top: number): Node<S> {
  if (top === 6) return activation(name, x, 'relu6');
  return times(name, activation(`${name}.relu6`, times(`${name}.scaled`, x, 6 / top), 'relu6'), top / 6);
}

/** `x` above zero, `alpha * (exp(x) - 1)` below it */
export function eluOf<S extends Shape>(name: string, x: Node<S>, alpha: number): Node<S> {
  if (alpha === 1) return activation(name, x, 'elu');
  const curve = times(`${name}.curve`, activation(`${name}.elu`, x, 'elu'), alpha);
  return add(name, curve, times(`${name}.rest`, activation(`${name}.relu`, x, 'relu'), 1 - alpha));
}

/** `x` above zero, `x * slope` below it, with one slope for each channel */
export function prelu<S extends Shape>(name: string, x: Node<S>, slope: Weight): Node<S> {
  const below = activation(`${name}.below`, times(`${name}.minus`, x, -1), 'relu');
  const negative = { ...slope, read: async () => (await slope.read()).map((value) => -value) };
  return add(name, activation(`${name}.above`, x, 'relu'), scaledBy(`${name}.slope`, below, negative));
}
