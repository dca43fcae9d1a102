import type { ActivationFunction, Node, OperationOf } from '../../graph/ir.ts';
import type { Weight } from '../../graph/tensors.ts';
import type { KerasLayer, LayerPosition } from './keras-layer.ts';

/** Scaling by channel is a batch norm without scale and shift: `(x - mean) / sqrt(variance)`. */
export function normalization(
  node: Node,
  position: LayerPosition,
  { scale, shift }: OperationOf<'normalize'>,
): KerasLayer {
  const mean = scale.map((factor, channel) => -(shift[channel] ?? 0) / factor);
  const variance = scale.map((factor) => 1 / factor ** 2);
  return {
    ...position,
    className: 'BatchNormalization',
    config: { axis: channelAxis(node), epsilon: 0, center: false, scale: false },
    weights: [constant(`${position.name}/moving_mean`, mean), constant(`${position.name}/moving_variance`, variance)],
  };
}

function channelAxis({ shape }: Node): number {
  return shape.kind === 'map' ? 3 : 1;
}

/** TF.js has only the `hard_sigmoid` of Keras 2, whose slope is 1/5, not 1/6: the difference is a scale before it. */
export function activationLayers(node: Node, position: LayerPosition, apply: ActivationFunction): KerasLayer[] {
  const { name, inputs } = position;
  const layer = (layerName: string, activation: string, from: readonly string[]): KerasLayer => ({
    name: layerName,
    className: 'Activation',
    config: { activation },
    inputs: from,
    weights: [],
  });
  if (apply !== 'keras3_hard_sigmoid' && apply !== 'hard_swish') {
    return [layer(name, apply, inputs)];
  }
  const channels = node.shape.kind === 'map' ? node.shape.channels : node.shape.length;
  const scaled = `${name}.scaled`;
  const scale = { scale: Array(channels).fill(5 / 6), shift: Array(channels).fill(0) };
  const scaling = normalization(node, { ...position, name: scaled }, { kind: 'normalize', ...scale });
  if (apply === 'keras3_hard_sigmoid') return [scaling, layer(name, 'hard_sigmoid', [scaled])];
  const gate = `${name}.gate`;
  const product = { name, className: 'Multiply', config: {}, inputs: [...inputs, gate], weights: [] };
  return [scaling, layer(gate, 'hard_sigmoid', [scaled]), product];
}

/** A vector becomes a map of one cell, so that it is broadcast over the cells of the other map. */
export function multiplication(node: Node, position: LayerPosition): KerasLayer[] {
  const { name, inputs } = position;
  const product = { name, className: 'Multiply', config: {}, weights: [] };
  const [, by] = node.inputs;
  if (by?.shape.kind !== 'vector' || node.shape.kind === 'vector') return [{ ...product, inputs }];
  const [map = '', vector = ''] = inputs;
  const reshape = {
    name: `${name}.channels`,
    className: 'Reshape',
    config: { target_shape: [1, 1, by.shape.length] },
    inputs: [vector],
    weights: [],
  };
  return [reshape, { ...product, inputs: [map, reshape.name] }];
}

export function batchNormalization(
  node: Node,
  position: LayerPosition,
  operation: OperationOf<'batch_norm'>,
): KerasLayer {
  const { scale, shift, mean, variance, epsilon } = operation;
  return {
    ...position,
    className: 'BatchNormalization',
    config: { axis: channelAxis(node), epsilon, center: true, scale: true },
    weights: [
      { ...scale, name: `${position.name}/gamma` },
      { ...shift, name: `${position.name}/beta` },
      { ...mean, name: `${position.name}/moving_mean` },
      { ...variance, name: `${position.name}/moving_variance` },
    ],
  };
}

function constant(name: string, values: readonly number[]): Weight {
  return { name, shape: [values.length], read: async () => Float32Array.from(values) };
}
