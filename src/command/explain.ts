import { defineCommand } from './command.ts';
import { inputImages } from './image-paths.ts';
import { offerPullInZoo, YES_OPTION } from './offer-pull.ts';
import { expectEnd, required, share, text } from './options.ts';
import { writeOutput } from './output-file.ts';
import { UsageError } from './usage-error.ts';
import { withZoo } from './with-zoo.ts';

/** Shows which parts of an image speak for a class. */
export const explain = defineCommand({
  usage: '<image or -> --out <file.png>',
  details:
    'Draws a heatmap over the image. With --json, prints it as a grid of numbers too, and --out may be left out.',
  options: {
    out: text('<file.png>', 'picture to write: a PNG of at most 1024 pixels a side'),
    model: text('<model>', 'name, name@version or name@alias (default: the default model)'),
    class: text('<class>', 'label, synset or index of the class (default: the most probable one)'),
    opacity: share('opacity of the heatmap where it is hottest', 0.65),
    ...YES_OPTION,
  },
  run: async ({ values: { out, model, class: wanted, opacity, yes }, positionals: [path, ...rest] }, context) => {
    const { terminal, signal } = context;
    expectEnd(rest);
    const named = required('the image', path);
    if (out === undefined && !terminal.json) throw new UsageError('--out is missing: the picture to write');
    const [input, ...others] = await inputImages([named]);
    if (input === undefined || others.length > 0) throw new UsageError('give one image, not a folder of several');
    return withZoo(context, async (zoo) => {
      await offerPullInZoo(zoo, model, { yes }, context);
      const options = {
        ...(model !== undefined && { model }),
        ...(wanted !== undefined && { class: wanted }),
        signal,
      };
      const { heatmap, prediction, ...explanation } = await zoo.explain(input.image, options);
      if (out !== undefined) {
        await writeOutput(out, await zoo.drawExplanation(input.image, { ...options, opacity }), signal);
        const share = `${(100 * prediction.score).toFixed(1)} %`;
        terminal.line(`${out}: what speaks for ${prediction.label} (${share}) in ${input.name}`);
      }
      const { height, width, values } = heatmap;
      const rows = Array.from({ length: height }, (_, row) => [...values.subarray(row * width, (row + 1) * width)]);
      terminal.document({
        ...explanation,
        prediction,
        heatmap: { height, width, values: rows },
        ...(out !== undefined && { picture: out }),
      });
      return undefined;
    });
  },
});
