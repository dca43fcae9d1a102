import { elementCount } from '../../common/tensor.ts';
import { ConversionError } from '../conversion-error.ts';
import type { Node, OperationOf } from '../graph/ir.ts';
import type { Weight } from '../graph/tensors.ts';
import type { LayerValues } from './last-stage.ts';

/** New values of a tensor. */
interface Replacement {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/**
 * The tensors that give convolutions new values. The batch norm behind a convolution, which was folded into the values,
 * becomes one that only adds the bias: mean 0, variance 1, and a scale that cancels epsilon. So the architecture, the
 * names and the shapes of all tensors stay those of the backbone.
 *
 * @param nodes of the network, with its batch norms
 * @throws ConversionError when a layer of `trained` is no convolution of the network, or has no place for its bias
 */
export function replacedTensors(
  nodes: readonly Node[],
  trained: ReadonlyMap<string, LayerValues>,
): ReadonlyMap<string, Replacement> {
  const replaced = new Map<string, Replacement>();
  const put = (weight: Weight, values: Float32Array): void => {
    if (values.length !== elementCount(weight.shape)) {
      throw new ConversionError(`"${weight.name}" of shape [${weight.shape}] cannot hold ${values.length} values`);
    }
    replaced.set(weight.name, { shape: weight.shape, values });
  };
  const filled = (weight: Weight, value: number) =>
    put(weight, new Float32Array(elementCount(weight.shape)).fill(value));
  for (const [name, { weight, bias }] of trained) {
    const node = nodes.find((each) => each.name === name);
    if (node?.operation.kind !== 'conv2d') throw new ConversionError(`the network has no convolution "${name}"`);
    const { operation } = node;
    put(operation.weight, weight);
    const norm = batchNormOf(nodes, node);
    if (norm !== undefined) {
      filled(norm.scale, Math.sqrt(1 + norm.epsilon));
      filled(norm.mean, 0);
      filled(norm.variance, 1);
      put(norm.shift, bias ?? new Float32Array(elementCount(norm.shift.shape)));
      if (operation.bias !== undefined) filled(operation.bias, 0);
    } else if (operation.bias !== undefined && bias !== undefined) put(operation.bias, bias);
    else if (bias !== undefined) throw new ConversionError(`the convolution "${name}" has no bias`);
  }
  return replaced;
}

/** The batch norm that is folded into a convolution: the only layer that reads it. */
function batchNormOf(nodes: readonly Node[], convolution: Node): OperationOf<'batch_norm'> | undefined {
  const [reader, ...others] = nodes.filter(({ inputs }) => inputs.includes(convolution));
  return others.length === 0 && reader?.operation.kind === 'batch_norm' ? reader.operation : undefined;
}
