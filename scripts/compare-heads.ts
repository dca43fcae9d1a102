/**
 * Holds the default head against scikit-learn's logistic regression, on the same features of the same images and split:
 * npm run compare-heads -- <folder or zip> [--model ...] [--per-class 5] [--seed 0] [--python python3]
 */
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { readConfig } from '../src/config.ts';
import { messageOf } from '../src/errors.ts';
import { preprocessImage } from '../src/image/preprocess.ts';
import { createLogger } from '../src/logger.ts';
import { loadTensorFlow } from '../src/runtime/tensorflow.ts';
import { createServices } from '../src/server.ts';
import { nearestNeighbours } from '../src/training/baselines.ts';
import { argmaxRows } from '../src/training/cross-entropy.ts';
import { readDataset } from '../src/training/dataset.ts';
import type { Split } from '../src/training/dataset-layout.ts';
import { assignSplits, SPLIT_DEFAULTS } from '../src/training/dataset-split.ts';
import { wilsonInterval } from '../src/training/evaluation.ts';
import { headLogits, type Samples, trainHead } from '../src/training/head.ts';
import { defaultHeadSettings } from '../src/training/head-settings.ts';
import { countEqual } from '../src/training/head-trainer.ts';
import { openImageSource } from '../src/training/open-image-source.ts';
import { logisticRegressions } from './compare-heads/scikit-learn.ts';
import { ProgressBar } from './progress-bar.ts';

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
  const { classes, splits, model } = await featuresBySplit(path);
  const { train, validation, test } = splits;
  const { tf, backend } = await loadTensorFlow({ threads: config.ENGINE_THREADS });
  const dimension = train.features.length / train.labels.length;
  const started = performance.now();
  const { layers } = await trainHead(
    tf,
    { classes, train, validation },
    defaultHeadSettings(train.labels.length, dimension, seed),
  );
  const seconds = (performance.now() - started) / 1000;
  const head = argmaxRows(headLogits(tf, layers, test.features), classes);
  const rows = [
    { name: `this head (${backend}, ${seconds.toFixed(2)} s)`, correct: countEqual(head, test.labels) },
    {
      name: '5 nearest neighbours',
      correct: countEqual(nearestNeighbours(tf, train, test.features, classes), test.labels),
    },
    ...(await logisticRegressions(values.python, train, test)),
  ];
  const counts = `${train.labels.length} train, ${validation.labels.length} validation, ${test.labels.length} test`;
  console.log(`${model}, ${dimension} features, ${classes} classes: ${counts}`);
  for (const { name, correct } of rows) console.log(lineOf(name, correct, test.labels.length));
} catch (thrown) {
  console.error(messageOf(thrown));
  process.exitCode = 1;
} finally {
  await services.close();
}

/** Features of all images, as they are split for a fine-tune; of the training images `perClass` a class. */
async function featuresBySplit(
  path: string,
): Promise<{ classes: number; splits: Record<Split, Samples>; model: string }> {
  const version = services.registry.resolve(values.model ?? config.DEFAULT_MODEL);
  const batcher = await services.serving.batcher(version, 'onnx');
  const source = await openImageSource(path);
  try {
    const { files, classes } = await readDataset(source);
    const bar = new ProgressBar('images');
    const images: { label: string; split: Split | undefined; digest: string; features: Float32Array }[] = [];
    for (const { file, label, split } of files) {
      const bytes = await source.read(file);
      const { pixels } = await preprocessImage(bytes, version.manifest.preprocessing, config.MAX_IMAGE_PIXELS);
      const { outputs } = await batcher.submit(pixels, { priority: 'bulk', outputs: ['features'] });
      const features = outputs.features?.slice();
      if (features === undefined) throw new Error('the model gave no features');
      images.push({ label, split, digest: createHash('sha256').update(bytes).digest('hex'), features });
      bar.update(images.length, files.length);
    }
    bar.end();
    const assigned = assignSplits(images, { seed, ...SPLIT_DEFAULTS });
    const select = (split: Split): Samples => {
      const taken = new Map<string, number>();
      const chosen = images.filter(({ label }, i) => {
        const before = taken.get(label) ?? 0;
        if (assigned[i] !== split || (split === 'train' && before >= perClass)) return false;
        taken.set(label, before + 1);
        return true;
      });
      const dimension = chosen[0]?.features.length ?? 0;
      const features = new Float32Array(chosen.length * dimension);
      for (const [row, image] of chosen.entries()) features.set(image.features, row * dimension);
      return { features, labels: Int32Array.from(chosen, ({ label }) => classes.indexOf(label)) };
    };
    return {
      classes: classes.length,
      splits: { train: select('train'), validation: select('validation'), test: select('test') },
      model: version.name,
    };
  } finally {
    await source.close();
  }
}

function lineOf(name: string, correct: number, total: number): string {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const { low, high } = wilsonInterval(correct, total);
  return `${percent(correct / total).padStart(7)}  (${percent(low)} to ${percent(high)})  ${name}`;
}
