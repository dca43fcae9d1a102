import type { WholeTensorFlow } from './whole-tensorflow.ts';

type LayersModel = ReturnType<WholeTensorFlow['sequential']>;

/** Height and width of the networks' input in pixels, those of CIFAR-10. */
export const INPUT_SIZE = 32;

/** A network that is trained from random weights. */
export interface Network {
  readonly name: string;
  readonly create: (tf: WholeTensorFlow, classes: number, seed: number) => LayersModel;
}

/** Two small networks from tutorials on CIFAR-10. */
export const NETWORKS: readonly Network[] = [
  { name: 'three convolutions 32-64-64, dense 64', create: plainNetwork },
  { name: 'four convolutions 32-64-128-128 with batch norm, dense 1024', create: normalizedNetwork },
];

function plainNetwork(tf: WholeTensorFlow, classes: number, seed: number): LayersModel {
  const kernel = (stream: number) => tf.initializers.heNormal({ seed: seed + stream });
  const convolution = (filters: number, stream: number) =>
    tf.layers.conv2d({ filters, kernelSize: 3, activation: 'relu', kernelInitializer: kernel(stream) });
  const model = tf.sequential();
  model.add(tf.layers.inputLayer({ inputShape: [INPUT_SIZE, INPUT_SIZE, 3] }));
  model.add(convolution(32, 1));
  model.add(tf.layers.maxPooling2d({ poolSize: 2 }));
  model.add(convolution(64, 2));
  model.add(tf.layers.maxPooling2d({ poolSize: 2 }));
  model.add(convolution(64, 3));
  model.add(tf.layers.flatten());
  model.add(tf.layers.dense({ units: 64, activation: 'relu', kernelInitializer: kernel(4) }));
  model.add(tf.layers.dense({ units: classes, activation: 'softmax', kernelInitializer: kernel(5) }));
  return model;
}

function normalizedNetwork(tf: WholeTensorFlow, classes: number, seed: number): LayersModel {
  const kernel = (stream: number) => tf.initializers.heNormal({ seed: seed + stream });
  const model = tf.sequential();
  model.add(tf.layers.inputLayer({ inputShape: [INPUT_SIZE, INPUT_SIZE, 3] }));
  for (const [index, filters] of [32, 64, 128, 128].entries()) {
    model.add(tf.layers.conv2d({ filters, kernelSize: 3, padding: 'same', kernelInitializer: kernel(index + 1) }));
    // The usual momentum of 0.99 needs more steps than a few hundred images give.
    model.add(tf.layers.batchNormalization({ momentum: 0.9 }));
    model.add(tf.layers.reLU());
    model.add(tf.layers.maxPooling2d({ poolSize: 2 }));
  }
  model.add(tf.layers.flatten());
  model.add(tf.layers.dense({ units: 1024, activation: 'relu', kernelInitializer: kernel(5) }));
  model.add(tf.layers.dropout({ rate: 0.5, seed }));
  model.add(tf.layers.dense({ units: classes, activation: 'softmax', kernelInitializer: kernel(6) }));
  return model;
}
