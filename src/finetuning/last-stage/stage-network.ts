import { type MapNode, mapInput, type Node, type OperationOf } from '../../convert/graph/ir.ts';
import type { LastStage, LayerValues } from '../../convert/transfer/last-stage.ts';
import type { TensorFlow } from '../../runtime/tensorflow.ts';
import { columnSums, matrixProduct, transposed } from './matrices.ts';
import {
  averagePooled,
  averagePooledGradient,
  maxPooled,
  sumOfColumns,
  type WindowedMaps,
  windowColumns,
} from './windows.ts';

/** Parameters of a convolution, which training changes in place. */
export interface ConvolutionParameters {
  /** `[outputs, kernel height, kernel width, inputs]` */
  readonly weight: Float32Array;
  readonly bias: Float32Array | undefined;
}

/** Gradients of the parameters, in their shapes. */
export interface ConvolutionGradient {
  readonly weight: Float32Array;
  readonly bias: Float32Array;
}

/** Values of all layers for a batch. Maps are `[rows, height, width, channels]`. */
export interface StagePass {
  readonly rows: number;
  /** The parts of the features that the stage computes, `[rows, length]` each. */
  readonly outputs: readonly Float32Array[];
  readonly values: ReadonlyMap<Node, Float32Array>;
  /** What the gradient of a layer needs beside its input: the columns of a convolution, the cells of a maximum. */
  readonly kept: ReadonlyMap<Node, Float32Array | Int32Array>;
}

/**
 * The last stage of a network, with gradients. TensorFlow.js multiplies the matrices; everything else are loops over
 * plain arrays. Its own gradients of convolutions are missing on wasm.
 */
export class StageNetwork {
  readonly #tf: TensorFlow;
  readonly #stage: LastStage;
  /** Parameters of the convolutions by the names of their layers. Dense layers stay as they are. */
  readonly parameters: ReadonlyMap<string, ConvolutionParameters>;
  /** Weights of dense layers, `[inputs, outputs]`. */
  readonly #dense = new Map<string, Float32Array>();

  constructor(tf: TensorFlow, stage: LastStage) {
    this.#tf = tf;
    this.#stage = stage;
    const parameters = new Map<string, ConvolutionParameters>();
    for (const { name, operation } of stage.nodes) {
      const values = stage.weights.get(name);
      if (operation.kind === 'dense') {
        const [outputs = 0, inputs = 0] = operation.weight.shape;
        this.#dense.set(name, transposed(valuesOf(name, values).weight, outputs, inputs));
      } else if (operation.kind === 'conv2d') {
        const { weight, bias } = valuesOf(name, values);
        parameters.set(name, { weight: channelsLast(weight, operation), bias: bias?.slice() });
      }
    }
    this.parameters = parameters;
  }

  /** The parameters in the layout of the layer graph, as copies. */
  layerValues(): Map<string, LayerValues> {
    const values = new Map<string, LayerValues>();
    for (const { name, operation } of this.#stage.nodes) {
      const found = this.parameters.get(name);
      if (operation.kind !== 'conv2d' || found === undefined) continue;
      const { weight, bias } = found;
      values.set(name, { weight: channelsFirst(weight, operation), ...(bias && { bias: bias.slice() }) });
    }
    return values;
  }

  /** Computes the stage. @param entry `[rows, height, width, channels]` */
  forward(entry: Float32Array, rows: number): StagePass {
    const values = new Map<Node, Float32Array>([[this.#stage.entry, entry]]);
    const kept = new Map<Node, Float32Array | Int32Array>();
    for (const node of this.#stage.nodes) {
      const inputs = node.inputs.map((input) => valuesAt(values, input));
      values.set(node, this.#compute(node, inputs, rows, kept));
    }
    return { rows, outputs: this.#stage.outputs.map((output) => valuesAt(values, output)), values, kept };
  }

  /**
   * Gradients of the convolutions' parameters, by the names of their layers.
   * @param outputGradients of the loss by the outputs, in their order
   */
  backward(pass: StagePass, outputGradients: readonly Float32Array[]): Map<string, ConvolutionGradient> {
    const gradients = new Map<Node, Float32Array>();
    const parameterGradients = new Map<string, ConvolutionGradient>();
    this.#stage.outputs.forEach((output, index) => {
      addTo(gradients, output, outputGradients[index] ?? new Float32Array());
    });
    for (const node of this.#stage.nodes.toReversed()) {
      const gradient = gradients.get(node);
      if (gradient === undefined) continue;
      gradients.delete(node);
      // Nothing before the entry is trained.
      const wanted = node.inputs.some((input) => input !== this.#stage.entry);
      const byInputs = this.#backward(node, gradient, pass, wanted, parameterGradients);
      node.inputs.forEach((input, index) => {
        const byInput = byInputs[index];
        if (byInput !== undefined && input !== this.#stage.entry) addTo(gradients, input, byInput);
      });
    }
    return parameterGradients;
  }

  #compute(
    node: Node,
    inputs: readonly Float32Array[],
    rows: number,
    kept: Map<Node, Float32Array | Int32Array>,
  ): Float32Array {
    const { operation } = node;
    const [x = new Float32Array(), y = new Float32Array()] = inputs;
    switch (operation.kind) {
      case 'conv2d': {
        const columns = windowColumns(x, windowedMaps(node, operation, rows));
        kept.set(node, columns);
        return this.#convolve(node, columns);
      }
      case 'activation':
        return x.map((value) => Math.max(value, 0));
      case 'add':
        return x.map((value, index) => value + (y[index] as number));
      case 'max_pool': {
        const { values, cells } = maxPooled(x, windowedMaps(node, operation, rows));
        kept.set(node, cells);
        return values;
      }
      case 'average_pool':
        return averagePooled(x, windowedMaps(node, operation, rows), operation.countPadding);
      case 'global_average_pool':
        return channelMeans(x, mapInput(node), rows);
      case 'concat':
        return joined(inputs, node.inputs.map(channelsOf));
      case 'flatten':
        return flattened(x, mapInput(node), rows);
      case 'dense': {
        const weight = this.#dense.get(node.name) ?? new Float32Array();
        const [outputs = 0, length = 0] = operation.weight.shape;
        const product = matrixProduct(this.#tf, x, weight, [rows, length, outputs]);
        return withBias(product, this.#stage.weights.get(node.name)?.bias);
      }
      default:
        throw new Error(`the layer "${node.name}" (${operation.kind}) has no gradient`);
    }
  }

  #convolve(node: Node, columns: Float32Array): Float32Array {
    const { weight, bias } = this.#parametersOf(node);
    const outputs = channelsOf(node);
    const inner = weight.length / outputs;
    const product = matrixProduct(this.#tf, columns, transposed(weight, outputs, inner), [
      columns.length / inner,
      inner,
      outputs,
    ]);
    return withBias(product, bias);
  }

  /** @returns gradients by the inputs, in their order; none when they are not wanted */
  #backward(
    node: Node,
    gradient: Float32Array,
    { rows, values, kept }: StagePass,
    wanted: boolean,
    parameterGradients: Map<string, ConvolutionGradient>,
  ): readonly Float32Array[] {
    const { operation } = node;
    if (operation.kind === 'conv2d') {
      const columns = kept.get(node) as Float32Array;
      const { weight } = this.#parametersOf(node);
      const outputs = channelsOf(node);
      const inner = weight.length / outputs;
      const positions = columns.length / inner;
      parameterGradients.set(node.name, {
        weight: matrixProduct(this.#tf, transposed(gradient, positions, outputs), columns, [outputs, positions, inner]),
        bias: columnSums(gradient, outputs),
      });
      if (!wanted) return [];
      const byColumns = matrixProduct(this.#tf, gradient, weight, [positions, outputs, inner]);
      return [sumOfColumns(byColumns, windowedMaps(node, operation, rows))];
    }
    if (!wanted) return [];
    switch (operation.kind) {
      case 'activation': {
        const output = valuesAt(values, node);
        return [gradient.map((value, index) => ((output[index] as number) > 0 ? value : 0))];
      }
      case 'add':
        return [gradient, gradient];
      case 'max_pool': {
        const input = new Float32Array(valuesAt(values, mapInput(node)).length);
        (kept.get(node) as Int32Array).forEach((cell, index) => {
          input[cell] = (input[cell] as number) + (gradient[index] as number);
        });
        return [input];
      }
      case 'average_pool':
        return [averagePooledGradient(gradient, windowedMaps(node, operation, rows), operation.countPadding)];
      case 'global_average_pool':
        return [spreadMeans(gradient, mapInput(node), rows)];
      case 'concat':
        return parted(gradient, node.inputs.map(channelsOf));
      case 'flatten':
        return [unflattened(gradient, mapInput(node), rows)];
      case 'dense': {
        const [outputs = 0, length = 0] = operation.weight.shape;
        const weight = valuesOf(node.name, this.#stage.weights.get(node.name)).weight;
        return [matrixProduct(this.#tf, gradient, weight, [rows, outputs, length])];
      }
      default:
        throw new Error(`the layer "${node.name}" (${operation.kind}) has no gradient`);
    }
  }

  #parametersOf({ name }: Node): ConvolutionParameters {
    const found = this.parameters.get(name);
    if (found === undefined) throw new Error(`the convolution "${name}" has no parameters`);
    return found;
  }
}

function valuesOf(name: string, values: LayerValues | undefined): LayerValues {
  if (values === undefined) throw new Error(`the layer "${name}" has no values`);
  return values;
}

function valuesAt(values: ReadonlyMap<Node, Float32Array>, node: Node): Float32Array {
  const found = values.get(node);
  if (found === undefined) throw new Error(`the layer "${node.name}" is read before it is computed`);
  return found;
}

function channelsOf({ shape }: Node): number {
  return shape.kind === 'map' ? shape.channels : shape.length;
}

function windowedMaps(node: Node, { window }: Pick<OperationOf<'conv2d'>, 'window'>, rows: number): WindowedMaps {
  return { rows, input: mapInput(node).shape, output: (node as MapNode).shape, window };
}

/** Adds a gradient to those of other readers of the same layer. */
function addTo(gradients: Map<Node, Float32Array>, node: Node, gradient: Float32Array): void {
  const before = gradients.get(node);
  gradients.set(node, before === undefined ? gradient : before.map((value, i) => value + (gradient[i] as number)));
}

function withBias(values: Float32Array, bias: Float32Array | undefined): Float32Array {
  if (bias === undefined) return values;
  const { length } = bias;
  for (let start = 0; start < values.length; start += length) {
    for (let i = 0; i < length; i++) values[start + i] = (values[start + i] as number) + (bias[i] as number);
  }
  return values;
}

/** `[out, in, height, width]` to `[out, height, width, in]`. */
function channelsLast(weight: Float32Array, { weight: { shape } }: OperationOf<'conv2d'>): Float32Array {
  const [outputs = 0, inputs = 0, height = 0, width = 0] = shape;
  return eachOutput(weight, outputs, (one) => transposed(one, inputs, height * width));
}

function channelsFirst(weight: Float32Array, { weight: { shape } }: OperationOf<'conv2d'>): Float32Array {
  const [outputs = 0, inputs = 0, height = 0, width = 0] = shape;
  return eachOutput(weight, outputs, (one) => transposed(one, height * width, inputs));
}

function eachOutput(values: Float32Array, count: number, change: (one: Float32Array) => Float32Array): Float32Array {
  const result = new Float32Array(values.length);
  const size = values.length / count;
  for (let start = 0; start < values.length; start += size) {
    result.set(change(values.subarray(start, start + size)), start);
  }
  return result;
}

function channelMeans(maps: Float32Array, { shape }: MapNode, rows: number): Float32Array {
  const cells = shape.height * shape.width;
  const means = new Float32Array(rows * shape.channels);
  for (let row = 0; row < rows; row++) {
    const sums = columnSums(
      maps.subarray(row * cells * shape.channels, (row + 1) * cells * shape.channels),
      shape.channels,
    );
    for (let i = 0; i < sums.length; i++) means[row * shape.channels + i] = (sums[i] as number) / cells;
  }
  return means;
}

function spreadMeans(gradient: Float32Array, { shape }: MapNode, rows: number): Float32Array {
  const { channels } = shape;
  const cells = shape.height * shape.width;
  const maps = new Float32Array(rows * cells * channels);
  for (let row = 0; row < rows; row++) {
    const share = gradient.subarray(row * channels, (row + 1) * channels).map((value) => value / cells);
    for (let cell = 0; cell < cells; cell++) maps.set(share, (row * cells + cell) * channels);
  }
  return maps;
}

/** Joins values side by side: the channels of each cell, or the values of each row. */
function joined(parts: readonly Float32Array[], widths: readonly number[]): Float32Array {
  const width = widths.reduce((sum, each) => sum + each, 0);
  const result = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  parts.forEach((part, index) => {
    const own = widths[index] ?? 0;
    for (let from = 0, to = offset; from < part.length; from += own, to += width) {
      result.set(part.subarray(from, from + own), to);
    }
    offset += own;
  });
  return result;
}

function parted(values: Float32Array, widths: readonly number[]): Float32Array[] {
  const width = widths.reduce((sum, each) => sum + each, 0);
  let offset = 0;
  return widths.map((own) => {
    const part = new Float32Array((values.length / width) * own);
    for (let to = 0, from = offset; to < part.length; to += own, from += width) {
      part.set(values.subarray(from, from + own), to);
    }
    offset += own;
    return part;
  });
}

/** Flattens channel by channel. */
function flattened(maps: Float32Array, { shape }: MapNode, rows: number): Float32Array {
  return eachOutput(maps, rows, (one) => transposed(one, shape.height * shape.width, shape.channels));
}

function unflattened(values: Float32Array, { shape }: MapNode, rows: number): Float32Array {
  return eachOutput(values, rows, (one) => transposed(one, shape.channels, shape.height * shape.width));
}
