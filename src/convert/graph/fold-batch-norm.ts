import { countReaders, type Graph } from './graph.ts';
import { conv2d, mapInput, type Node, type OperationOf } from './ir.ts';
import { rewrite } from './rewrite.ts';
import type { Weight } from './tensors.ts';

type BatchNorm = OperationOf<'batch_norm'>;

/**
 * Folds each batch norm into the convolution before it, unless the convolution has other readers. For each channel,
 * with `factor = scale / sqrt(variance + epsilon)`: `weight' = weight * factor`, `bias' = (bias - mean) * factor +
 * shift`. Computed in float64, stored in float32.
 */
export function foldBatchNorm(graph: Graph): Graph {
  const readers = countReaders(graph);
  return rewrite(graph, (node, original) => {
    const [input] = node.inputs;
    const [originalInput] = original.inputs;
    if (node.operation.kind !== 'batch_norm' || input?.operation.kind !== 'conv2d') return node;
    if (originalInput === undefined || readers.get(originalInput) !== 1) return node;
    return folded(input, input.operation, node.operation);
  });
}

function folded(node: Node, convolution: OperationOf<'conv2d'>, norm: BatchNorm): Node {
  const { weight, bias, window, groups } = convolution;
  return conv2d(node.name, mapInput(node), {
    weight: foldedWeight(weight, norm),
    bias: foldedBias(bias, norm, node.name),
    stride: window.stride,
    padding: window.padding,
    groups,
  });
}

function foldedWeight(weight: Weight, norm: BatchNorm): Weight {
  return {
    ...weight,
    read: async () => {
      const [values, factors] = [await weight.read(), await channelFactors(norm)];
      const folded = new Float32Array(values.length);
      const perChannel = values.length / factors.length;
      let index = 0;
      for (const factor of factors) {
        for (const end = index + perChannel; index < end; index += 1) folded[index] = (values[index] ?? 0) * factor;
      }
      return folded;
    },
  };
}

function foldedBias(bias: Weight | undefined, norm: BatchNorm, layer: string): Weight {
  return {
    name: bias?.name ?? `${layer}.bias`,
    shape: norm.shift.shape,
    read: async () => {
      const [factors, mean, shift] = [await channelFactors(norm), await norm.mean.read(), await norm.shift.read()];
      const values = await bias?.read();
      return shift.map((value, channel) => {
        const centred = (values?.[channel] ?? 0) - (mean[channel] ?? 0);
        return centred * (factors[channel] ?? 0) + value;
      });
    },
  };
}

async function channelFactors({ scale, variance, epsilon }: BatchNorm): Promise<Float64Array> {
  const [scales, variances] = [await scale.read(), await variance.read()];
  return Float64Array.from(scales, (value, channel) => value / Math.sqrt((variances[channel] ?? 0) + epsilon));
}
