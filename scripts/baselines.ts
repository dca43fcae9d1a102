/** Trains the small networks of the CIFAR-10 tutorials from random weights, to show the gain of transfer learning. */
import { messageOf } from '../src/common/errors.ts';
import { readConfig } from '../src/config.ts';
import { countCorrect } from '../src/finetuning/head/softmax.ts';
import { INPUT_SIZE, NETWORKS } from './baselines/networks.ts';
import { type PixelSet, predictLabels, trainNetwork } from './baselines/train-network.ts';
import { registerConvolutionGradients } from './baselines/wasm-convolution.ts';
import { loadWholeTensorFlow, type WholeTensorFlow } from './baselines/whole-tensorflow.ts';
import { expectEnd, readCommandLine, required, wholeNumber } from './command-line.ts';
import { readLabelledImages, scoreLine } from './labelled-images.ts';

const USAGE = `usage: npm run baselines -- <folder or zip> [options]

Trains two small networks from random weights on the same images and split as a fine-tune, and
prints their accuracy on the test images. The folder or zip has one folder per class.

  --seed <n>     seed of the split and the training (default: 0)
  --epochs <n>   most epochs to train (default: 40)`;

const { path, seed, epochs } = readCommandLine(
  USAGE,
  { seed: { type: 'string', default: '0' }, epochs: { type: 'string', default: '40' } },
  ({ values, positionals: [data, ...rest] }) => {
    expectEnd(rest);
    return {
      path: required('the folder or zip', data),
      seed: wholeNumber('--seed', values.seed, 0),
      epochs: wholeNumber('--epochs', values.epochs, 1),
    };
  },
);

try {
  const config = readConfig(process.env);
  const { tf, backend } = await loadWholeTensorFlow(config.engineThreads);
  if (backend === 'wasm') registerConvolutionGradients(tf);
  const inputSize = [INPUT_SIZE, INPUT_SIZE] as const;
  const preprocessing = { inputSize, resizeMode: 'crop', cropPct: 1, interpolation: 'bilinear' } as const;
  const options = { preprocessing, maxPixels: config.maxImagePixels, seed };
  const { classes, images } = await readLabelledImages(path, options, (pixels) => pixels);
  const select = (split: string): PixelSet => {
    const chosen = images.filter((image) => image.split === split);
    return { pixels: chosen.map(({ value }) => value), labels: Int32Array.from(chosen, ({ label }) => label) };
  };
  const [train, validation, test] = [select('train'), select('validation'), select('test')];
  console.log(`from scratch on ${backend}: ${train.labels.length} training and ${test.labels.length} test images`);
  for (const { name, create } of NETWORKS)
    await measure(tf, name, create(tf, classes.length, seed), train, validation, test);
} catch (thrown) {
  console.error(messageOf(thrown));
  process.exitCode = 1;
}

async function measure(
  tf: WholeTensorFlow,
  name: string,
  network: ReturnType<WholeTensorFlow['sequential']>,
  train: PixelSet,
  validation: PixelSet,
  test: PixelSet,
): Promise<void> {
  const started = performance.now();
  const { bestEpoch } = await trainNetwork(tf, network, { train, validation, epochs, seed });
  const seconds = Math.round((performance.now() - started) / 1000);
  const correct = countCorrect(predictLabels(tf, network, test.pixels), test.labels);
  const note = `${network.countParams()} parameters, weights of epoch ${bestEpoch}, ${seconds} s`;
  console.log(scoreLine(`${name} (${note})`, correct, test.labels.length));
  network.dispose();
}
