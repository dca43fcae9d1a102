import type { ActivationFunction, Node } from '../../graph/ir.ts';
import type { Emitted, NameOf } from './emitted.ts';

/** Constants of selu, of Klambauer et al. 2017, https://arxiv.org/abs/1706.02515 */
const SELU_SCALE = 1.0507009873554805;
const SELU_ALPHA = 1.6732632423543772;

/**
 * Emits the derivative of an activation function, from its output `y` where that determines it, else from its input
 * `x` too (`slopeReadsInput`).
 *
 * @returns the name of the derivative
 */
export function emitSlope(node: Node, apply: ActivationFunction, nameOf: NameOf, emitted: Emitted): string {
  const { name, inputs } = node;
  const y = nameOf(node);
  const op = (suffix: string, operator: string, operands: readonly string[], attributes = {}) =>
    emitted.add(`${name}:${suffix}`, operator, operands, attributes);
  const constant = (suffix: string, value: number) => emitted.constant(`${name}.${suffix}`, [], Float32Array.of(value));
  /** 1 where `value` is strictly between 0 and `top`, else 0. */
  const within = (value: string, top: number) => {
    const room = op('room', 'Sub', [constant('top', top), value]);
    return op('within', 'Mul', [op('above', 'Sign', [value]), op('below', 'Sign', [room])]);
  };
  const times = (value: string, factor: number) => op('slope', 'Mul', [value, constant('factor', factor)]);
  const oneMinus = (value: string) => op('rest', 'Sub', [constant('one', 1), value]);
  switch (apply) {
    case 'relu':
      return op('above', 'Sign', [y]);
    case 'relu6':
      return within(y, 6);
    case 'hard_sigmoid':
      return times(within(y, 1), 1 / 5);
    case 'keras3_hard_sigmoid':
      return times(within(y, 1), 1 / 6);
    case 'sigmoid':
      return op('slope', 'Mul', [y, oneMinus(y)]);
    case 'tanh':
      return oneMinus(op('square', 'Mul', [y, y]));
    case 'softplus':
      return oneMinus(op('decay', 'Exp', [op('negative', 'Neg', [y])]));
    case 'softsign': {
      const rest = oneMinus(op('size', 'Abs', [y]));
      return op('square', 'Mul', [rest, rest]);
    }
    case 'gelu': {
      // The share of a normal distribution below x, plus x times its density.
      const [x = ''] = inputs.map(nameOf);
      const share = op('share', 'Erf', [op('scaled', 'Mul', [x, constant('root', Math.SQRT1_2)])]);
      const below = op('below', 'Mul', [op('twice', 'Add', [share, constant('one', 1)]), constant('half', 0.5)]);
      const power = op('power', 'Mul', [op('square', 'Mul', [x, x]), constant('minus', -0.5)]);
      const decay = op('decay', 'Exp', [power]);
      const density = op('density', 'Mul', [decay, constant('height', 1 / Math.sqrt(2 * Math.PI))]);
      return op('slope', 'Add', [below, op('growth', 'Mul', [x, density])]);
    }
    case 'elu':
      return op('slope', 'Add', [op('lower', 'Min', [y, constant('zero', 0)]), constant('one', 1)]);
    case 'selu': {
      const lower = op('lower', 'Add', [y, constant('bottom', SELU_SCALE * SELU_ALPHA)]);
      const positive = op('positive', 'Greater', [y, constant('zero', 0)]);
      return op('slope', 'Where', [positive, constant('scale', SELU_SCALE), lower]);
    }
    case 'swish': {
      const gate = op('gate', 'Sigmoid', inputs.map(nameOf));
      const product = op('product', 'Mul', [...inputs.map(nameOf), gate]);
      return op('slope', 'Add', [gate, op('growth', 'Mul', [product, oneMinus(gate)])]);
    }
    case 'hard_swish': {
      const x = inputs.map(nameOf);
      const gate = op('gate', 'HardSigmoid', x, { alpha: { float: 1 / 6 } });
      const growth = op('growth', 'Mul', [...x, times(within(gate, 1), 1 / 6)]);
      return op('sum', 'Add', [gate, growth]);
    }
  }
}
