/** Compares the default head on few images with methods without training, on fresh images. */

import { lastLayers } from '../src/finetuning/features/dataset-features.ts';
import { joinImages, samplesOf } from '../src/finetuning/features/feature-set.ts';
import { parseFinetuneOptions } from '../src/finetuning/finetune-options.ts';
import { scoreBaselines } from '../src/finetuning/head/baselines.ts';
import { trainAndTest } from '../src/finetuning/train-and-test.ts';
import { loadTensorFlow, type TensorFlow } from '../src/runtime/tensorflow.ts';
import { readCommandLine, required, UsageError, wholeNumber } from './command-line.ts';
import { drawFewImages, type FeaturePool, readFeaturePool } from './few-images/feature-pool.ts';
import { withServices } from './with-services.ts';

const USAGE = `usage: npm run few-images -- <folder or zip>... [options]

Trains the default head on 5, 10 and 20 images of each class, and prints its accuracy beside
5 nearest neighbours and class prototypes (nearest mean by the cosine) on the same images and
features. Images that were not drawn for training are the test; where the data set has a test
split, that is. The last column says by how much the head is better than the better of the two,
with the standard error over the seeds; "below" where it is worse by more than chance
(one-sided t-test, 5 %).

  --models <names>    models whose features are used, separated by commas
                      (default: the default model)
  --per-class <list>  images of each class, separated by commas (default: 5,10,20)
  --seeds <n>         training sets that are drawn (default: 5)`;

const options = readCommandLine(
  USAGE,
  {
    models: { type: 'string' },
    'per-class': { type: 'string', default: '5,10,20' },
    seeds: { type: 'string', default: '5' },
  },
  ({ values, positionals }) => {
    required('a folder or zip', positionals[0]);
    const perClass = values['per-class'].split(',').map((each) => wholeNumber('--per-class', each, 2));
    if (perClass.some((each) => each > 40)) throw new UsageError('--per-class: at most 40');
    return {
      paths: positionals,
      models: values.models?.split(','),
      perClass,
      seeds: wholeNumber('--seeds', values.seeds, 2),
    };
  },
);

/** 95 % quantiles of Student's distribution, by the number of seeds less one. */
const QUANTILES = [6.31, 2.92, 2.35, 2.13, 2.02, 1.94, 1.89, 1.86, 1.83];

await withServices(async (context) => {
  const { services, config } = context;
  const { tf } = await loadTensorFlow({ threads: config.engineThreads });
  console.log(
    '| features | images | per class | head | 5-NN | prototypes | head - better one |\n|---|---|---|---|---|---|---|',
  );
  for (const name of options.models ?? [config.defaultModel]) {
    for (const path of options.paths) {
      const pool = await readFeaturePool(path, services.registry.resolve(name), context);
      for (const perClass of options.perClass) {
        const runs = [];
        for (let seed = 0; seed < options.seeds; seed++) runs.push(await run(tf, pool, perClass, seed));
        const data = path.split('/').at(-1) ?? path;
        console.log(`| ${name} | ${data} | ${perClass} | ${row(runs)} |`);
      }
    }
  }
});

interface Run {
  readonly head: number;
  readonly neighbours: number;
  readonly prototypes: number;
}

async function run(tf: TensorFlow, pool: FeaturePool, perClass: number, seed: number): Promise<Run> {
  const features = drawFewImages(pool, perClass, seed);
  const classes = pool.classes.length;
  const options = parseFinetuneOptions({ name: 'few-images', seed });
  const { test } = await trainAndTest(tf, features, classes, options, () => undefined);
  if (test === undefined) throw new Error('there are no test images');
  // The head uses the validation images too, and so do the methods that it is compared with.
  const last = lastLayers(features, 1);
  const all = samplesOf(joinImages({ ...last.train, augmented: false }, last.validation));
  const { nearestNeighbours, prototypes } = scoreBaselines(tf, all, last.test, classes);
  return {
    head: test.evaluation.accuracy,
    neighbours: nearestNeighbours.accuracy,
    prototypes: prototypes.accuracy,
  };
}

/** Means over the runs in per cent, and the lead over the method that is better on average. */
function row(runs: readonly Run[]): string {
  const mean = (of: (run: Run) => number): number => runs.reduce((sum, each) => sum + of(each), 0) / runs.length;
  const better =
    mean(({ neighbours }) => neighbours) > mean(({ prototypes }) => prototypes) ? 'neighbours' : 'prototypes';
  const lead = mean((each) => each.head - each[better]);
  const error = Math.sqrt(
    runs.reduce((sum, each) => sum + (each.head - each[better] - lead) ** 2, 0) / (runs.length - 1) / runs.length,
  );
  const [head, neighbours, prototypes] = [mean((r) => r.head), mean((r) => r.neighbours), mean((r) => r.prototypes)];
  const figures = [head, neighbours, prototypes].map((share) => (100 * share).toFixed(1)).join(' | ');
  return `${figures} | ${(100 * lead).toFixed(1)} ± ${(100 * error).toFixed(1)}${lead < -(QUANTILES[runs.length - 2] ?? 1.83) * error ? ' below' : ''}`;
}
