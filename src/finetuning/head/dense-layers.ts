import type { Random } from '../../common/random.ts';
import type { TensorFlow } from '../../runtime/tensorflow.ts';

type Tensor2D = ReturnType<TensorFlow['tensor2d']>;

/** A dense layer: `y = weight x + bias`, weight `[outputs, inputs]` row-major, bias `[outputs]`. */
export interface DenseLayer {
  readonly inputs: number;
  readonly outputs: number;
  readonly weight: Float32Array;
  readonly bias: Float32Array;
}

/** Gradient of the loss with respect to one layer's weight and bias, in their shapes. */
export interface LayerGradient {
  readonly weight: Float32Array;
  readonly bias: Float32Array;
}

/** The input of one layer in a forward pass, kept for the backward pass. */
interface Trace {
  /** `[rows, inputs]`, after dropout. */
  readonly input: Float32Array;
  /** The same values as a tensor, which the backward pass multiplies by. */
  readonly tensor: Tensor2D;
  /** Dropout factor of each input; undefined without dropout. */
  readonly mask: Float32Array | undefined;
}

/** Result of a forward pass. */
export interface Forward {
  readonly rows: number;
  /** `[rows, classes]` */
  readonly logits: Float32Array;
  /** One for each layer. */
  readonly traces: readonly Trace[];
}

/** Dropout of hidden units during training. */
export interface Dropout {
  /** Share of the hidden units that are switched off, 0 to below 1. */
  readonly rate: number;
  readonly random: Random;
}

/** Rows that `computeLogits` computes at once. */
const CHUNK_ROWS = 1024;

/**
 * Creates layers from a list of widths: the number of features, of hidden units, and of classes. The weights of hidden
 * layers are drawn from He's normal distribution (2015). The last layer starts at zero, so that training starts with
 * equal probabilities, and the result of a linear head does not depend on the random numbers.
 */
export function createLayers(sizes: readonly number[], random: Random): DenseLayer[] {
  return sizes.slice(1).map((outputs, index) => {
    const inputs = sizes[index] ?? 0;
    const deviation = index === sizes.length - 2 ? 0 : Math.sqrt(2 / inputs);
    const weight = Float32Array.from({ length: inputs * outputs }, () => deviation * random.normal());
    return { inputs, outputs, weight, bias: new Float32Array(outputs) };
  });
}

/** Computes the layers on `input` `[rows, inputs]`, with ReLU between them. Call it inside `tf.tidy`. */
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

/** Gradients of a backward pass. */
export interface Backward {
  /** One for each layer. */
  readonly layers: readonly LayerGradient[];
  /** Gradient by the outputs of the first layer, `[rows, outputs]`. */
  readonly delta: Float32Array;
}

/**
 * Computes the gradient of each layer from the gradient of the logits. Call it inside the same `tf.tidy` as `forward`.
 * On the wasm backend `matMul` with a transposed operand is ten times slower than without. So only the small operand,
 * `delta`, is transposed, by hand, and the batch never is.
 */
export function backward(
  tf: TensorFlow,
  layers: readonly DenseLayer[],
  pass: Forward,
  logitsGradient: Float32Array,
): Backward {
  const gradients: LayerGradient[] = [];
  let delta = logitsGradient;
  for (let index = layers.length - 1; index >= 0; index--) {
    const layer = layers[index];
    const trace = pass.traces[index];
    if (!layer || !trace) throw new Error('the forward pass was computed with other layers');
    const { inputs, outputs } = layer;
    const transposed = transpose(delta, pass.rows, outputs);
    gradients[index] = {
      weight: product(tf, tf.tensor2d(transposed, [outputs, pass.rows]), trace.tensor),
      bias: rowSums(transposed, outputs, pass.rows),
    };
    if (index > 0) {
      delta = product(tf, tf.tensor2d(delta, [pass.rows, outputs]), tf.tensor2d(layer.weight, [outputs, inputs]));
      throughRelu(delta, trace);
    }
  }
  return { layers: gradients, delta };
}

/** The gradient by the input of the first layer, from that by its outputs. Call it inside `tf.tidy`. */
export function inputGradient(tf: TensorFlow, first: DenseLayer, delta: Float32Array): Float32Array {
  const { inputs, outputs, weight } = first;
  return product(tf, tf.tensor2d(delta, [delta.length / outputs, outputs]), tf.tensor2d(weight, [outputs, inputs]));
}

/** Computes logits `[n, classes]` of features `[n, inputs]`, without dropout, in chunks that bound the memory. */
export function computeLogits(tf: TensorFlow, layers: readonly DenseLayer[], features: Float32Array): Float32Array {
  const dimension = layers[0]?.inputs ?? 0;
  const classes = layers.at(-1)?.outputs ?? 0;
  const count = features.length / dimension;
  const logits = new Float32Array(count * classes);
  for (let row = 0; row < count; row += CHUNK_ROWS) {
    const rows = Math.min(CHUNK_ROWS, count - row);
    const chunk = features.subarray(row * dimension, (row + rows) * dimension);
    tf.tidy(() => {
      logits.set(forward(tf, layers, chunk, rows).logits, row * classes);
    });
  }
  return logits;
}

/** A deep copy of a layer. */
export function copyLayer(layer: DenseLayer): DenseLayer {
  return { ...layer, weight: layer.weight.slice(), bias: layer.bias.slice() };
}

function affine(tf: TensorFlow, { inputs, outputs, weight, bias }: DenseLayer, input: Tensor2D): Float32Array {
  const result = product(tf, input, tf.tensor2d(transpose(weight, outputs, inputs), [inputs, outputs]));
  for (let i = 0; i < result.length; i++) result[i] = (result[i] ?? 0) + (bias[i % outputs] ?? 0);
  return result;
}

function product(tf: TensorFlow, left: Tensor2D, right: Tensor2D): Float32Array {
  return tf.matMul(left, right).dataSync<'float32'>();
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

/** Multiplies `delta` by the derivative of ReLU and dropout: 0 for units that were off, else the dropout factor. */
function throughRelu(delta: Float32Array, { input, mask }: Trace): void {
  for (let i = 0; i < delta.length; i++) {
    delta[i] = (input[i] ?? 0) > 0 ? (delta[i] ?? 0) * (mask ? (mask[i] ?? 0) : 1) : 0;
  }
}

/** Inverted dropout: the units that stay on are scaled up, so that inference needs no scaling. */
function dropoutMask(length: number, { rate, random }: Dropout): Float32Array {
  const kept = 1 / (1 - rate);
  const mask = new Float32Array(length);
  for (let i = 0; i < length; i++) mask[i] = random.next() < rate ? 0 : kept;
  return mask;
}
