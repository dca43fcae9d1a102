/**
 * Shows what transfer gains: trains the small networks of the CIFAR-10 tutorials from random weights, on the images and
 * the split that a fine-tune uses: npm run baselines -- <folder or zip> [--seed 0] [--epochs 40]
 */
import { parseArgs } from 'node:util';
import { messageOf } from '../src/common/errors.ts';
import { readConfig } from '../src/config.ts';
import { countCorrect } from '../src/finetuning/head/softmax.ts';
import { loadTensorFlow, type TensorFlow } from '../src/runtime/tensorflow.ts';
import { INPUT_SIZE, NETWORKS } from './baselines/networks.ts';
import { type PixelSet, predictLabels, trainNetwork } from './baselines/train-network.ts';
import { registerConvolutionGradients } from './baselines/wasm-convolution.ts';
import { readLabelledImages, scoreLine } from './labelled-images.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: 'string', default: '0' }, epochs: { type: 'string', default: '40' } },
});
const [path] = positionals;
const [seed, epochs] = [Number(values.seed), Number(values.epochs)];
if (path === undefined || !Number.isSafeInteger(seed) || !Number.isSafeInteger(epochs) || epochs < 1) {
  console.error('usage: npm run baselines -- <folder or zip, a folder per class> [--seed <n>] [--epochs <n>]');
  process.exit(2);
}

try {
  const config = readConfig(process.env);
  const { tf, backend } = await loadTensorFlow({ threads: config.engineThreads });
  if (backend === 'wasm') registerConvolutionGradients(tf);
  const preprocessing = { inputSize: [INPUT_SIZE, INPUT_SIZE], cropPct: 1, interpolation: 'bilinear' } as const;
  const options = { preprocessing, maxPixels: config.maxImagePixels, seed };
  const { classes, images } = await readLabelledImages(path, options, (pixels) => pixels);
  const select = (split: string): PixelSet => {
    const chosen = images.filter((image) => image.split === split);
    return { pixels: chosen.map(({ value }) => value), labels: Int32Array.from(chosen, ({ label }) => label) };
  };
  const [train, validation, test] = [select('train'), select('validation'), select('test')];
  console.log(`from scratch on ${backend}: ${train.labels.length} train, ${test.labels.length} test`);
  for (const { name, create } of NETWORKS)
    await measure(tf, name, create(tf, classes.length, seed), train, validation, test);
} catch (thrown) {
  console.error(messageOf(thrown));
  process.exitCode = 1;
}

async function measure(
  tf: TensorFlow,
  name: string,
  network: ReturnType<TensorFlow['sequential']>,
  train: PixelSet,
  validation: PixelSet,
  test: PixelSet,
): Promise<void> {
  const started = performance.now();
  const { bestEpoch } = await trainNetwork(tf, network, { train, validation, epochs, seed });
  const seconds = Math.round((performance.now() - started) / 1000);
  const correct = countCorrect(predictLabels(tf, network, test.pixels), test.labels);
  const note = `${network.countParams()} parameters, best of epoch ${bestEpoch}, ${seconds} s`;
  console.log(scoreLine(`${name} (${note})`, correct, test.labels.length));
  network.dispose();
}
