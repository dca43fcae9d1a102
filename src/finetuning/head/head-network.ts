import type { TensorFlow } from '../../runtime/tensorflow.ts';
import type { Random } from './random.ts';

type Tensor2D = ReturnType<TensorFlow['tensor2d']>;

/** A dense layer: `y = weight x + bias`, weight `[outputs, inputs]` row-major, bias `[outputs]`. */
export interface DenseLayer {
  readonly inputs: number;
  readonly outputs: number;
  readonly weight: Float32Array;
  readonly bias: Float32Array;
}

/** The gradient of the loss for one layer, in the layer's own shapes. */
export interface LayerGradient {
  readonly weight: Float32Array;
  readonly bias: Float32Array;
}

/** What one layer saw and gave in a forward pass, kept for the backward pass. */
interface Trace {
  /** `[rows, inputs]`, and the same as a tensor: the backward pass multiplies by it again. */
  readonly input: Float32Array;
  readonly tensor: Tensor2D;
  /** Factor that each input was multiplied by for dropout; absent where there is none. */
  readonly mask: Float32Array | undefined;
}

/** A forward pass: `logits` `[rows, classes]` and what the backward pass needs. */
export interface Forward {
  readonly rows: number;
  readonly logits: Float32Array;
  readonly traces: readonly Trace[];
}

/** Dropout while training: the share of hidden units that is switched off, and the dice. */
export interface Dropout {
  readonly rate: number;
  readonly random: Random;
}

/**
 * Layers of these sizes, from the features to the classes. Hidden layers start from He's normal distribution (2015);
 * the last one from zero, so that training starts with equal probabilities and a linear head is convex from a fixed point.
 */
export function createLayers(sizes: readonly number[], random: Random): DenseLayer[] {
  return sizes.slice(1).map((outputs, index) => {
    const inputs = sizes[index] ?? 0;
    const deviation = index === sizes.length - 2 ? 0 : Math.sqrt(2 / inputs);
    const weight = Float32Array.from({ length: inputs * outputs }, () => deviation * random.normal());
    return { inputs, outputs, weight, bias: new Float32Array(outputs) };
  });
}

/** Runs `rows` rows of `input` `[rows, inputs]` through the layers, relu between them. Call it inside `tf.tidy`. */
export function forward(
  tf: TensorFlow,
  layers: readonly DenseLayer[],
  input: Float32Array,
  rows: number,
  dropout?: Dropout,
): Forward {
  const traces: Trace[] = [];
  let current = input;
  for (const [index, layer] of layers.entries()) {
    const mask = index > 0 && dropout && dropout.rate > 0 ? dropoutMask(current.length, dropout) : undefined;
    if (mask) multiply(current, mask);
    const tensor = tf.tensor2d(current, [rows, layer.inputs]);
    traces.push({ input: current, tensor, mask });
    current = affine(tf, layer, tensor);
    if (index < layers.length - 1) relu(current);
  }
  return { rows, logits: current, traces };
}

/**
 * Gradients of every layer from that of the logits. Call it inside the same `tf.tidy` as `forward`. On the wasm backend a product with a transposed operand is ten times
 * slower than one without, so the small operands (`delta`, here) are transposed by hand and the batch never is.
 */
export function backward(
  tf: TensorFlow,
  layers: readonly DenseLayer[],
  pass: Forward,
  logitsGradient: Float32Array,
): LayerGradient[] {
  const gradients: LayerGradient[] = [];
  let delta = logitsGradient;
  for (let index = layers.length - 1; index >= 0; index--) {
    const layer = layers[index];
    const trace = pass.traces[index];
    if (!layer || !trace) throw new Error('the forward pass is not of these layers');
    const { inputs, outputs } = layer;
    const transposed = transpose(delta, pass.rows, outputs);
    gradients[index] = {
      weight: product(tf.tensor2d(transposed, [outputs, pass.rows]), trace.tensor),
      bias: rowSums(transposed, outputs, pass.rows),
    };
    if (index > 0) {
      delta = product(tf.tensor2d(delta, [pass.rows, outputs]), tf.tensor2d(layer.weight, [outputs, inputs]));
      throughRelu(delta, trace);
    }
  }
  return gradients;
}

function affine(tf: TensorFlow, { inputs, outputs, weight, bias }: DenseLayer, input: Tensor2D): Float32Array {
  const result = product(input, tf.tensor2d(transpose(weight, outputs, inputs), [inputs, outputs]));
  for (let i = 0; i < result.length; i++) result[i] = (result[i] ?? 0) + (bias[i % outputs] ?? 0);
  return result;
}

function product(left: Tensor2D, right: Tensor2D): Float32Array {
  return left.matMul(right).dataSync<'float32'>();
}

function multiply(values: Float32Array, factors: Float32Array): void {
  for (let i = 0; i < values.length; i++) values[i] = (values[i] ?? 0) * (factors[i] ?? 0);
}

function transpose(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(matrix.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      result[column * rows + row] = matrix[row * columns + column] ?? 0;
    }
  }
  return result;
}

function rowSums(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const sums = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    let sum = 0;
    for (let column = 0; column < columns; column++) sum += matrix[row * columns + column] ?? 0;
    sums[row] = sum;
  }
  return sums;
}

function relu(values: Float32Array): void {
  for (let i = 0; i < values.length; i++) values[i] = Math.max(0, values[i] ?? 0);
}

/** A unit that was off (by relu or dropout) passes no gradient back; one that was scaled passes it scaled. */
function throughRelu(delta: Float32Array, { input, mask }: Trace): void {
  for (let i = 0; i < delta.length; i++) {
    delta[i] = (input[i] ?? 0) > 0 ? (delta[i] ?? 0) * (mask ? (mask[i] ?? 0) : 1) : 0;
  }
}

/** Inverted dropout: units that stay are scaled up, so that nothing has to be scaled when the head is served. */
function dropoutMask(length: number, { rate, random }: Dropout): Float32Array {
  const kept = 1 / (1 - rate);
  const mask = new Float32Array(length);
  for (let i = 0; i < length; i++) mask[i] = random.next() < rate ? 0 : kept;
  return mask;
}
