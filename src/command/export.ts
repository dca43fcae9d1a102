import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { EXPORT_FORMATS } from '../catalogue/export/export-format.ts';
import { WEIGHT_STORAGES } from '../convert/formats/tfjs/weights.ts';
import { VARIANTS } from '../registry/registry.ts';
import { defineCommand } from './command.ts';
import { offerPullInZoo, YES_OPTION } from './offer-pull.ts';
import { choice, expectEnd, required, text } from './options.ts';
import { writeOutput } from './output-file.ts';
import { withZoo } from './with-zoo.ts';

/** Writes a model as a zip. */
export const exportModel = defineCommand({
  usage: '<model>',
  details: 'The zip has the model, its classes, its card and how to run it.',
  options: {
    format: choice(EXPORT_FORMATS, 'format of the model', 'onnx'),
    quantize: choice(WEIGHT_STORAGES, 'how the weights of tfjs are stored', 'float32'),
    variant: choice(
      VARIANTS,
      'whether onnx and triton are in floats or in 8-bit integers (see menagerie quantize)',
      'float32',
    ),
    out: text('<file or folder>', 'where to write the zip (default: <model>-<version>-<format>.zip here)'),
    ...YES_OPTION,
  },
  run: ({ values: { format, quantize, variant, out, yes }, positionals: [model, ...rest] }, context) => {
    expectEnd(rest);
    const name = required('the model', model);
    return withZoo(context, async (zoo) => {
      await offerPullInZoo(zoo, name, { yes }, context);
      const { terminal, signal } = context;
      const { filename, zip } = await zoo.export(name, { format, quantize, variant });
      const isFolder = out !== undefined && (await stat(out).catch(() => undefined))?.isDirectory();
      const path = out === undefined ? filename : isFolder ? join(out, filename) : out;
      await writeOutput(path, zip, signal);
      const { size } = await stat(path);
      terminal.line(`${path}: ${name} as ${format}, ${(size / 1e6).toFixed(1)} MB`);
      terminal.document({ model: name, format, file: path, bytes: size });
      return undefined;
    });
  },
});
