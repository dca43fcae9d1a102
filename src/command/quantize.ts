import { CALIBRATION_METHODS } from '../convert/quantize/ranges.ts';
import { DEFAULT_METHOD } from '../quantizing/model-quantizer.ts';
import { defineCommand } from './command.ts';
import { comparisonLines } from './comparison-lines.ts';
import { offerPullInZoo, YES_OPTION } from './offer-pull.ts';
import { choice, expectEnd, required, text } from './options.ts';
import { ProgressBar } from './progress-bar.ts';
import { withZoo } from './with-zoo.ts';

/** What the progress bar counts in each phase. */
const UNITS = { calibrating: 'images calibrated', comparing: 'images compared', timing: 'runs timed' } as const;

/** Makes a model in 8-bit integers. */
export const quantize = defineCommand({
  usage: '<model> --images <folder or zip>',
  details:
    'Makes the variant int8 of a model: a quarter of the size, and faster on most processors. Give 100 to 1000\n' +
    'images like those that it will see. Some show which values its layers take; on the others it is compared\n' +
    'with the model in floats. With a folder per class, named by label or synset, the accuracy is compared too.\n' +
    'A server on the same DATA_DIR answers with it when a request says variant=int8.',
  options: {
    images: text('<folder or zip>', 'images for calibration and comparison'),
    method: choice(CALIBRATION_METHODS, 'how the ranges of values are chosen', DEFAULT_METHOD),
    ...YES_OPTION,
  },
  run: ({ values: { images, method, yes }, positionals: [model, ...rest] }, context) => {
    expectEnd(rest);
    const name = required('the model', model);
    const path = required('--images', images);
    return withZoo(context, async (zoo) => {
      await offerPullInZoo(zoo, name, { yes }, context);
      const { terminal, signal } = context;
      let bar: ProgressBar | undefined;
      let current = '';
      const quantized = await zoo
        .quantize(name, path, {
          method,
          signal,
          onProgress: ({ phase, done, total }) => {
            if (phase !== current) bar?.end();
            if (phase !== current) bar = new ProgressBar(UNITS[phase]);
            current = phase;
            bar?.update(done, total);
          },
        })
        .finally(() => bar?.end());
      terminal.line(`${quantized.model}, version ${quantized.version}:`);
      for (const line of comparisonLines(quantized)) terminal.line(line);
      terminal.document(quantized);
      return undefined;
    });
  },
});
