/** Tests the explanations of models by blanking the pixels that they point at. */

import { ProgressBar } from '../src/command/progress-bar.ts';
import { type Mean, testPerturbation } from '../src/evaluation/perturbation.ts';
import { preprocessImage } from '../src/image/preprocess.ts';
import { readCommandLine, required, wholeNumber } from './command-line.ts';
import { withServices } from './with-services.ts';

const USAGE = `usage: npm run perturbation -- <folder or zip> [<model> ...] [options]

Tests whether explanations point at what matters: blanks the hottest fifth of each image and,
for comparison, a random fifth, and prints by how many percentage points the probability of
the predicted class falls (mean and half of the 95 % confidence interval). Tests all models
if none is named.

  --images <n>   most images to test, drawn at random (default: 500)
  --draws <n>    random patches for each image (default: 5)
  --seed <n>     seed of the random numbers (default: 0)`;

const { path, names, images, draws, seed } = readCommandLine(
  USAGE,
  {
    images: { type: 'string', default: '500' },
    draws: { type: 'string', default: '5' },
    seed: { type: 'string', default: '0' },
  },
  ({ values, positionals: [data, ...models] }) => ({
    path: required('the folder or zip', data),
    names: models,
    images: wholeNumber('--images', values.images, 2),
    draws: wholeNumber('--draws', values.draws, 1),
    seed: wholeNumber('--seed', values.seed, 0),
  }),
);

const points = ({ mean, margin }: Mean): string => `${(100 * mean).toFixed(1)} ± ${(100 * margin).toFixed(1)}`;
await withServices(async ({ services, config }) => {
  const { registry, conversions, serving } = services;
  const models = names.length > 0 ? names : registry.list().map(({ name }) => name);
  console.log('| model | images | hottest fifth | random fifth | same patches, moved | hottest minus random |');
  console.log('| --- | --- | --- | --- | --- | --- |');
  for (const name of models) {
    const bar = new ProgressBar('images');
    const model = registry.resolve(name);
    const onProgress = (done: number, total: number): void => bar.update(done, total);
    const result = await serving.use(model, 'onnx', (queue) =>
      testPerturbation(
        {
          queue,
          converted: (version) => conversions.get(version),
          preprocess: (bytes, recipe) => preprocessImage(bytes, recipe, config.maxImagePixels),
        },
        { model, path, images, draws, seed, onProgress },
      ),
    );
    bar.end();
    const { hottest, random, moved, gain } = result;
    console.log(
      `| ${[name, result.images, points(hottest), points(random), points(moved), points(gain)].join(' | ')} |`,
    );
  }
});
