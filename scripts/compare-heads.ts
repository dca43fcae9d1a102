/** Compares the default head with scikit-learn's logistic regression on the same features, images and split. */
import type { Split } from '../src/finetuning/dataset/split-names.ts';
import { joinImages, type Samples, samplesOf } from '../src/finetuning/features/feature-set.ts';
import { nearestNeighbours } from '../src/finetuning/head/baselines.ts';
import { computeLogits } from '../src/finetuning/head/dense-layers.ts';
import { trainHead } from '../src/finetuning/head/head.ts';
import { selectModel } from '../src/finetuning/head/model-selection.ts';
import { argmaxRows, countCorrect } from '../src/finetuning/head/softmax.ts';
import { loadTensorFlow } from '../src/runtime/tensorflow.ts';
import { expectEnd, readCommandLine, required, wholeNumber } from './command-line.ts';
import { logisticRegressions } from './compare-heads/scikit-learn.ts';
import { type LabelledImages, readLabelledImages, scoreLine } from './labelled-images.ts';
import { withServices } from './with-services.ts';

const USAGE = `usage: npm run compare-heads -- <folder or zip> [options]

Trains the default head, and scikit-learn's logistic regression, on the features of a model,
and prints the accuracy of both on the same test images. The folder or zip has one folder per
class.

  --model <name>      model whose features are used (default: the default model)
  --per-class <n>     training images of each class (default: all)
  --seed <n>          seed of the split and the training (default: 0)
  --python <path>     Python with scikit-learn (default: python3)`;

const options = readCommandLine(
  USAGE,
  {
    model: { type: 'string' },
    'per-class': { type: 'string', default: 'all' },
    seed: { type: 'string', default: '0' },
    python: { type: 'string', default: 'python3' },
  },
  ({ values, positionals: [path, ...rest] }) => {
    expectEnd(rest);
    const perClass = values['per-class'];
    return {
      path: required('the folder or zip', path),
      model: values.model,
      perClass: perClass === 'all' ? Number.POSITIVE_INFINITY : wholeNumber('--per-class', perClass, 1),
      seed: wholeNumber('--seed', values.seed, 0),
      python: values.python,
    };
  },
);
const { seed } = options;

await withServices(async ({ services, config }) => {
  const model = services.registry.resolve(options.model ?? config.defaultModel);
  const { preprocessing } = model.manifest;
  const data = await services.serving.use(model, 'onnx', (queue) =>
    readLabelledImages(options.path, { preprocessing, maxPixels: config.maxImagePixels, seed }, async (pixels) => {
      const { outputs } = await queue.submit(pixels, { priority: 'bulk', outputs: ['features'] });
      if (outputs.features === undefined) throw new Error('the model returned no features');
      return outputs.features.slice();
    }),
  );
  const classes = data.classes.length;
  const [train, validation, test] = [
    samples(data, 'train', options.perClass),
    samples(data, 'validation'),
    samples(data, 'test'),
  ];
  const { tf, backend } = await loadTensorFlow({ threads: config.engineThreads });
  const dimension = train.features.length / train.labels.length;
  const started = performance.now();
  const set = { name: 'features', dimension, originals: train.features };
  const features = {
    layers: [{ name: 'features', size: dimension }],
    train: { set, labels: train.labels },
    validation,
    test,
    testNames: [],
  };
  const { hyperparameters } = await selectModel(tf, { features, classes, seed, search: 'none', fixed: {} });
  const images = { set, augmented: false, labels: train.labels };
  const { layers } = await trainHead(tf, { images, validation, classes }, hyperparameters);
  const seconds = (performance.now() - started) / 1000;
  const ours = argmaxRows(computeLogits(tf, layers, test.features), classes);
  // In the end the head is trained on the validation images too, and so are the methods that it is compared with.
  const all = samplesOf(joinImages(images, validation));
  const neighbours = nearestNeighbours(tf, all, test.features, classes);
  const counts = `${train.labels.length} training, ${validation.labels.length} validation and ${test.labels.length} test`;
  console.log(`${model.name}, ${dimension} features, ${classes} classes, ${counts} images`);
  const print = (name: string, correct: number) => console.log(scoreLine(name, correct, test.labels.length));
  print(`this head (${backend}, ${seconds.toFixed(2)} s)`, countCorrect(ours, test.labels));
  print('5 nearest neighbours', countCorrect(neighbours, test.labels));
  for (const { name, correct } of await logisticRegressions(options.python, all, test)) print(name, correct);
});

/** The images of one split, at most `limit` of each class. */
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
