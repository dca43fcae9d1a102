import { type MapNode, mapInput, type Node, type OperationOf } from '../../convert/graph/ir.ts';
import type { LastStage, LayerValues } from '../../convert/transfer/last-stage.ts';
import type { TensorFlow } from '../../runtime/tensorflow.ts';
import {
  type ConvolutionGradient,
  type ConvolutionParameters,
  columnGradient,
  convolutionGradient,
  convolve,
} from './convolution.ts';
import {
  channelMeans,
  channelsFirst,
  channelsLast,
  flattened,
  joined,
  parted,
  rectified,
  rectifiedGradient,
  spreadMeans,
  sum,
  unflattened,
  withBias,
} from './map-operations.ts';
import { matrixProduct, transposed } from './matrices.ts';
import {
  averagePooled,
  averagePooledGradient,
  maxPooled,
  sumOfColumns,
  type WindowedMaps,
  windowColumns,
} from './windows.ts';

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
        return convolve(this.#tf, columns, this.#parametersOf(node), channelsOf(node));
      }
      case 'activation':
        return rectified(x);
      case 'add':
        return sum(x, y);
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
      parameterGradients.set(node.name, convolutionGradient(this.#tf, columns, gradient, channelsOf(node)));
      if (!wanted) return [];
      const byColumns = columnGradient(this.#tf, gradient, weight, channelsOf(node));
      return [sumOfColumns(byColumns, windowedMaps(node, operation, rows))];
    }
    if (!wanted) return [];
    switch (operation.kind) {
      case 'activation':
        return [rectifiedGradient(gradient, valuesAt(values, node))];
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
  gradients.set(node, before === undefined ? gradient : sum(before, gradient));
}
