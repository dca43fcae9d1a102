import { ProgressBar } from '../../src/command/progress-bar.ts';
import { seededRandom } from '../../src/common/random.ts';
import { crossEntropy } from '../../src/finetuning/head/cross-entropy.ts';
import { argmaxRows } from '../../src/finetuning/head/softmax.ts';
import { INPUT_SIZE } from './networks.ts';
import type { WholeTensorFlow } from './whole-tensorflow.ts';

type LayersModel = ReturnType<WholeTensorFlow['sequential']>;

/** Labelled images in the networks' input size. */
export interface PixelSet {
  readonly pixels: readonly Uint8Array[];
  readonly labels: Int32Array;
}

/** Input of `trainNetwork`. */
export interface TrainNetworkOptions {
  readonly train: PixelSet;
  /** Images for early stopping. */
  readonly validation: PixelSet;
  /** Most epochs. */
  readonly epochs: number;
  readonly seed: number;
}

const BATCH_SIZE = 32;
const LEARNING_RATE = 1e-3;
/** Training stops after this many epochs without a lower validation loss. */
const PATIENCE = 8;

/** Trains with Adam, as the tutorials do, and restores the weights of the epoch with the lowest validation loss. */
export async function trainNetwork(
  tf: WholeTensorFlow,
  network: LayersModel,
  { train, validation, epochs, seed }: TrainNetworkOptions,
): Promise<{ bestEpoch: number }> {
  network.compile({ optimizer: tf.train.adam(LEARNING_RATE), loss: 'sparseCategoricalCrossentropy' });
  const random = seededRandom(seed);
  const order = Int32Array.from(train.labels, (_, index) => index);
  const bar = new ProgressBar('epochs');
  let best = { epoch: 0, loss: Number.POSITIVE_INFINITY, weights: copyOf(network) };
  for (let epoch = 1; epoch <= epochs && epoch - best.epoch <= PATIENCE; epoch++) {
    random.shuffle(order);
    for (let start = 0; start < order.length; start += BATCH_SIZE) {
      const rows = [...order.subarray(start, start + BATCH_SIZE)];
      const x = toTensor(
        tf,
        rows.flatMap((row) => train.pixels[row] ?? []),
      );
      const y = tf.tensor1d(rows.map((row) => train.labels[row] ?? 0));
      await network.trainOnBatch(x, y);
      tf.dispose([x, y]);
    }
    const loss = lossOf(tf, network, validation);
    bar.update(epoch, epochs, `validation loss ${loss.toFixed(3)}`);
    if (loss < best.loss) best = { epoch, loss, weights: copyOf(network) };
  }
  bar.end();
  const variables = network.getWeights();
  const tensors = best.weights.map((values, i) => tf.tensor(values, variables[i]?.shape));
  network.setWeights(tensors);
  tf.dispose(tensors);
  return { bestEpoch: best.epoch };
}

/** The predicted class of each image. */
export function predictLabels(tf: WholeTensorFlow, network: LayersModel, pixels: readonly Uint8Array[]): Int32Array {
  const { probabilities, classes } = predict(tf, network, pixels);
  return argmaxRows(probabilities, classes);
}

function lossOf(tf: WholeTensorFlow, network: LayersModel, { pixels, labels }: PixelSet): number {
  const { probabilities, classes } = predict(tf, network, pixels);
  const logits = probabilities.map((probability) => Math.log(Math.max(probability, 1e-12)));
  return crossEntropy(logits, classes, labels, new Float32Array(labels.length).fill(1)).loss;
}

function predict(tf: WholeTensorFlow, network: LayersModel, pixels: readonly Uint8Array[]) {
  return tf.tidy(() => {
    const output = network.predict(toTensor(tf, pixels), { batchSize: BATCH_SIZE });
    const tensor = Array.isArray(output) ? output[0] : output;
    if (!tensor) throw new Error('the network has no output');
    return { probabilities: tensor.dataSync<'float32'>(), classes: tensor.shape.at(-1) ?? 0 };
  });
}

function toTensor(tf: WholeTensorFlow, pixels: readonly Uint8Array[]) {
  const size = INPUT_SIZE * INPUT_SIZE * 3;
  const values = new Float32Array(pixels.length * size);
  for (const [row, image] of pixels.entries()) {
    for (let i = 0; i < size; i++) values[row * size + i] = (image[i] ?? 0) / 255;
  }
  return tf.tensor4d(values, [pixels.length, INPUT_SIZE, INPUT_SIZE, 3]);
}

function copyOf(network: LayersModel): Float32Array[] {
  return network.getWeights().map((weights) => weights.dataSync<'float32'>().slice());
}
