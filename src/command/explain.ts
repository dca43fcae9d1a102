import { readFile, writeFile } from 'node:fs/promises';
import { messageOf } from '../common/errors.ts';
import { defineCommand } from './command.ts';
import { expectEnd, required, share, text } from './options.ts';
import { UsageError } from './usage-error.ts';
import { withServices } from './with-services.ts';

/** Shows which parts of an image speak for a class. */
export const explain = defineCommand({
  usage: '<image> --out <file.png>',
  details: 'Draws a heatmap over the image. With --json, prints it as a grid of numbers.',
  options: {
    out: text('<file.png>', 'picture to write: a PNG of at most 1024 pixels a side'),
    model: text('<model>', 'name, name@version or name@alias (default: the default model)'),
    class: text('<class>', 'label, synset or index of the class (default: the most probable one)'),
    opacity: share('opacity of the heatmap where it is hottest', 0.65),
  },
  run: ({ values: { out, model, class: wanted, opacity }, positionals: [path, ...rest] }, context) => {
    const { terminal, signal } = context;
    expectEnd(rest);
    const filename = required('the image', path);
    if (out === undefined && !terminal.json) throw new UsageError('--out is missing: the picture to write');
    return withServices(context, async ({ explainer }) => {
      const bytes = await readFile(filename).catch((thrown) => {
        throw new Error(`${filename} cannot be read: ${messageOf(thrown)}`);
      });
      const request = { model, class: wanted, image: { filename, bytes }, signal };
      const { heatmap, prediction, ...explanation } = await explainer.explain(request);
      const { label, score } = prediction;
      if (out !== undefined) {
        await writeFile(out, await explainer.draw(request, opacity));
        terminal.line(`${out}: what speaks for ${label} (${(100 * score).toFixed(1)} %) in ${filename}`);
      }
      const { model: name, version, method, image, crop } = explanation;
      const { height, width, values } = heatmap;
      const rows = Array.from({ length: height }, (_, row) => [...values.subarray(row * width, (row + 1) * width)]);
      terminal.document({
        model: name,
        version,
        method,
        class: prediction,
        image,
        crop,
        heatmap: { height, width, values: rows },
        ...(out !== undefined && { picture: out }),
      });
      return undefined;
    });
  },
});
