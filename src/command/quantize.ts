import { CALIBRATION_METHODS } from '../convert/quantize/ranges.ts';
import { DEFAULT_METHOD } from '../quantizing/model-quantizer.ts';
import { defineCommand } from './command.ts';
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
      const { accuracy, agreement, sizeBytes, floatSizeBytes, floatMs, int8Ms, speedup } = quantized;
      const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
      terminal.line(`${quantized.model}, version ${quantized.version}, as int8:`);
      if (accuracy !== undefined) {
        const { float, int8, images: count } = accuracy;
        terminal.line(`  accuracy ${percent(int8)} instead of ${percent(float)}, on ${count} images`);
      }
      terminal.line(`  same first class as in floats on ${percent(agreement)} of ${quantized.images} images`);
      terminal.line(`  ${megabytes(sizeBytes)} instead of ${megabytes(floatSizeBytes)}`);
      terminal.line(
        `  ${int8Ms.toFixed(1)} ms instead of ${floatMs.toFixed(1)} ms on one thread: ${speedup.toFixed(2)} times as fast`,
      );
      terminal.document(quantized);
      return undefined;
    });
  },
});

function percent(value: number): string {
  return `${(100 * value).toFixed(1)} %`;
}
