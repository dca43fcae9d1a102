/**
 * Tests explanations by blanking what they point at: npm run perturbation -- <folder or zip> [model ...] [--images 500]
 * [--draws 5] [--seed 0]. Without models, all those that answer.
 */
import { parseArgs } from 'node:util';
import { messageOf } from '../src/common/errors.ts';
import { createLogger } from '../src/common/logger.ts';
import { readConfig } from '../src/config.ts';
import { type Mean, testPerturbation } from '../src/evaluation/perturbation.ts';
import { preprocessImage } from '../src/image/preprocess.ts';
import { createServices } from '../src/services.ts';
import { ProgressBar } from './progress-bar.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    images: { type: 'string', default: '500' },
    draws: { type: 'string', default: '5' },
    seed: { type: 'string', default: '0' },
  },
});
const [path, ...names] = positionals;
const [images, draws, seed] = [Number(values.images), Number(values.draws), Number(values.seed)];
if (path === undefined || !(images >= 2 && draws >= 1 && seed >= 0)) {
  console.error('usage: npm run perturbation -- <folder or zip> [model ...] [--images 500] [--draws 5] [--seed 0]');
  process.exit(2);
}

const points = ({ mean, margin }: Mean): string => `${(100 * mean).toFixed(1)} ± ${(100 * margin).toFixed(1)}`;
const config = readConfig(process.env);
const services = await createServices(config, createLogger('error'));
const { registry, conversions, serving } = services;
try {
  const models = names.length > 0 ? names : registry.list().map(({ name }) => name);
  console.log('| model | images | hottest fifth | random fifth | same patches, moved | hottest above random |');
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
} catch (thrown) {
  console.error(messageOf(thrown));
  process.exitCode = 1;
} finally {
  await services.close();
}
