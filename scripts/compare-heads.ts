/**
 * Holds the default head against scikit-learn's logistic regression, on the same features of the same images and split:
 * npm run compare-heads -- <folder or zip> [--model ...] [--per-class 5] [--seed 0] [--python python3]
 */
import { parseArgs } from 'node:util';
import { messageOf } from '../src/common/errors.ts';
import { createLogger } from '../src/common/logger.ts';
import { readConfig } from '../src/config.ts';
import type { Split } from '../src/finetuning/dataset/dataset-layout.ts';
import { joinImages, type Samples, samplesOf } from '../src/finetuning/features/feature-set.ts';
import { nearestNeighbours } from '../src/finetuning/head/baselines.ts';
import { computeLogits } from '../src/finetuning/head/dense-layers.ts';
import { trainHead } from '../src/finetuning/head/head.ts';
import { defaultHyperparameters } from '../src/finetuning/head/hyperparameters.ts';
import { argmaxRows, countCorrect } from '../src/finetuning/head/softmax.ts';
import { chooseWeightDecay } from '../src/finetuning/head/weight-decay.ts';
import { loadTensorFlow } from '../src/runtime/tensorflow.ts';
import { createServices } from '../src/services.ts';
import { logisticRegressions } from './compare-heads/scikit-learn.ts';
import { type LabelledImages, readLabelledImages, scoreLine } from './labelled-images.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string' },
    'per-class': { type: 'string', default: 'all' },
    seed: { type: 'string', default: '0' },
    python: { type: 'string', default: 'python3' },
  },
});
const [path] = positionals;
const seed = Number(values.seed);
const perClass = values['per-class'] === 'all' ? Number.POSITIVE_INFINITY : Number(values['per-class']);
if (path === undefined || !Number.isSafeInteger(seed) || !(perClass > 0)) {
  console.error(
    'usage: npm run compare-heads -- <folder or zip, a folder per class> [--model <name>] [--per-class <images>] [--seed <n>] [--python <path>]',
  );
  process.exit(2);
}

const config = readConfig(process.env);
const services = await createServices(config, createLogger('error'));
try {
  const model = services.registry.resolve(values.model ?? config.defaultModel);
  const { preprocessing } = model.manifest;
  const data = await services.serving.use(model, 'onnx', (queue) =>
    readLabelledImages(path, { preprocessing, maxPixels: config.maxImagePixels, seed }, async (pixels) => {
      const { outputs } = await queue.submit(pixels, { priority: 'bulk', outputs: ['features'] });
      if (outputs.features === undefined) throw new Error('the model gave no features');
      return outputs.features.slice();
    }),
  );
  const classes = data.classes.length;
  const [train, validation, test] = [
    samples(data, 'train', perClass),
    samples(data, 'validation'),
    samples(data, 'test'),
  ];
  const { tf, backend } = await loadTensorFlow({ threads: config.engineThreads });
  const dimension = train.features.length / train.labels.length;
  const started = performance.now();
  const hyperparameters = defaultHyperparameters(train.labels.length, dimension, seed);
  const set = { name: 'features', dimension, originals: train.features };
  const images = { set, augmented: false, labels: train.labels };
  const weightDecay = await chooseWeightDecay(tf, { set, labels: train.labels, classes, hyperparameters });
  const { layers } = await trainHead(tf, { images, validation, classes }, { ...hyperparameters, weightDecay });
  const seconds = (performance.now() - started) / 1000;
  const ours = argmaxRows(computeLogits(tf, layers, test.features), classes);
  // The head ends up trained on all images but those of the test, and so are its rivals.
  const all = samplesOf(joinImages(images, validation));
  const neighbours = nearestNeighbours(tf, all, test.features, classes);
  const rows = [
    { name: `this head (${backend}, ${seconds.toFixed(2)} s)`, correct: countCorrect(ours, test.labels) },
    { name: '5 nearest neighbours', correct: countCorrect(neighbours, test.labels) },
    ...(await logisticRegressions(values.python, all, test)),
  ];
  const counts = `${train.labels.length} train, ${validation.labels.length} validation, ${test.labels.length} test`;
  console.log(`${model.name}, ${dimension} features, ${classes} classes: ${counts}`);
  for (const { name, correct } of rows) console.log(scoreLine(name, correct, test.labels.length));
} catch (thrown) {
  console.error(messageOf(thrown));
  process.exitCode = 1;
} finally {
  await services.close();
}

/** The images of one split, or the first `limit` of each class. */
function samples(data: LabelledImages<Float32Array>, split: Split, limit = Number.POSITIVE_INFINITY): Samples {
  const taken = new Array<number>(data.classes.length).fill(0);
  const chosen = data.images.filter((image) => {
    const before = taken[image.label] ?? 0;
    if (image.split !== split || before >= limit) return false;
    taken[image.label] = before + 1;
    return true;
  });
  const dimension = chosen[0]?.value.length ?? 0;
  const features = new Float32Array(chosen.length * dimension);
  for (const [row, { value }] of chosen.entries()) features.set(value, row * dimension);
  return { features, labels: Int32Array.from(chosen, ({ label }) => label) };
}
