/**
 * Quantizes models and compares each with the same in floats: npm run bench:int8 -- photos.zip resnet18_slim.tiny200
 *
 * Speed is measured in one run, in turns, on one thread. The folder or zip has one folder per class.
 */
import { createLogger } from '../src/common/logger.ts';
import { readConfig } from '../src/config.ts';
import { OpenedZoo } from '../src/library/open-zoo.ts';
import { readCommandLine, UsageError } from './command-line.ts';

const USAGE = `usage: npm run bench:int8 -- <folder or zip> <model> ...

Makes the variant int8 of each model, and prints what it loses and gains.`;

const [images, ...models] = readCommandLine(USAGE, {}, ({ positionals }) => {
  if (positionals.length < 2) throw new UsageError('the images or the model are missing');
  return positionals;
});

const zoo = await OpenedZoo.open(readConfig(process.env), createLogger('fatal', process.stderr));
try {
  console.log('| model | images | accuracy float | int8 | same class | MB float | int8 | ms float | int8 | ratio |');
  console.log('| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |');
  for (const model of models) {
    const found = await zoo.quantize(model, images ?? '');
    const { accuracy, agreement, sizeBytes, floatSizeBytes, speed } = found;
    const percent = (value: number | undefined) => (value === undefined ? '-' : `${(100 * value).toFixed(2)} %`);
    const cells = [
      model,
      found.images,
      percent(accuracy?.float),
      percent(accuracy?.rounded),
      percent(agreement),
      (floatSizeBytes / 1e6).toFixed(1),
      (sizeBytes / 1e6).toFixed(1),
      speed.floatMs.toFixed(1),
      speed.roundedMs.toFixed(1),
      speed.ratio.toFixed(2),
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
} finally {
  await zoo.close();
}
