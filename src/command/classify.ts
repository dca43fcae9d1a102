import { TTA_MODES } from '../image/views.ts';
import { VARIANTS } from '../registry/registry.ts';
import { RUNTIME_NAMES } from '../runtime/session.ts';
import { defineCommand } from './command.ts';
import { EXIT_CODES } from './exit-codes.ts';
import { inputImages } from './image-paths.ts';
import { offerPullInZoo, YES_OPTION } from './offer-pull.ts';
import { choice, flag, share, text, wholeNumber } from './options.ts';
import { ProgressBar } from './progress-bar.ts';
import { UsageError } from './usage-error.ts';
import { withZoo } from './with-zoo.ts';

/** Images whose answers are printed together. */
const SLICE = 256;

/** Classifies images. */
export const classify = defineCommand({
  usage: '<image, folder or -> ...',
  details: 'Prints the most probable classes of each image; - reads one from standard input. No server is needed.',
  options: {
    model: text('<model>', 'name, name@version or name@alias (default: the default model)'),
    'top-k': wholeNumber('classes to print', 1, 5),
    threshold: share('leave out what is less probable (default: 0; 0.5 for concepts)'),
    hierarchy: flag('also name the most specific concept that is probable enough'),
    tta: choice(TTA_MODES, 'average over the image and its mirror image, or its four corners: 2 or 5 times the work'),
    runtime: choice(RUNTIME_NAMES, 'runtime that computes the model', 'onnx'),
    variant: choice(VARIANTS, 'whether it is computed in floats or in 8-bit integers', 'float32'),
    ...YES_OPTION,
  },
  run: async ({ values, positionals }, context) => {
    const { terminal, signal } = context;
    if (positionals.length === 0) throw new UsageError('the image is missing');
    const { model, 'top-k': topK, threshold, hierarchy, tta, runtime, variant, yes } = values;
    const images = await inputImages(positionals);
    return withZoo(context, async (zoo) => {
      await offerPullInZoo(zoo, model, { yes }, context);
      const bar = new ProgressBar('images');
      const results: object[] = [];
      let used = '';
      let failures = 0;
      try {
        for (let start = 0; start < images.length; start += SLICE) {
          const slice = images.slice(start, start + SLICE);
          const answers = await zoo.classify(
            slice.map(({ image }) => image),
            {
              ...(model !== undefined && { model }),
              ...(threshold !== undefined && { threshold }),
              ...(tta !== undefined && { tta }),
              topK,
              hierarchy,
              runtime,
              variant,
              signal,
            },
          );
          bar.end();
          for (const [index, answer] of answers.entries()) {
            const name = slice[index]?.name ?? answer.image;
            const { error, predictions, concept, unknown, novelty, warnings } = answer;
            const heading = `${answer.model}, version ${answer.version}`;
            if (heading !== used) terminal.line(heading);
            used = heading;
            terminal.line(`\n${name}`);
            if (error !== undefined) {
              failures += 1;
              terminal.line(`  ${error.message}`);
            }
            if (unknown) terminal.line('  unknown: the image probably shows none of the classes');
            for (const { detail } of warnings) terminal.line(`  warning: ${detail}`);
            if (concept)
              terminal.line(
                `  ${percent(concept.score)}  ${[concept, ...concept.path].map(({ label }) => label).join(' < ')}`,
              );
            if (concept === null) terminal.line('  no concept is probable enough');
            for (const { label, score } of predictions) {
              terminal.line(`  ${percent(score)}  ${label}`);
            }
            results.push({
              file: name,
              model: answer.model,
              version: answer.version,
              ...(error === undefined
                ? {
                    predictions,
                    warnings,
                    ...(concept !== undefined && { concept }),
                    ...(unknown !== undefined && { unknown }),
                    ...(novelty !== undefined && { novelty }),
                  }
                : { error: { code: error.code, message: error.message } }),
            });
          }
          bar.update(start + slice.length, images.length);
        }
      } finally {
        bar.end();
      }
      terminal.document({ results });
      if (failures === 0) return EXIT_CODES.done;
      return failures < images.length ? EXIT_CODES.partial : EXIT_CODES.failed;
    });
  },
});

function percent(score: number): string {
  return `${(100 * score).toFixed(1).padStart(5)} %`;
}
