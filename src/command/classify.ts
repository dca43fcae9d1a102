import { readFile } from 'node:fs/promises';
import { messageOf } from '../common/errors.ts';
import { RUNTIME_NAMES } from '../runtime/session.ts';
import { defineCommand } from './command.ts';
import { EXIT_CODES } from './exit-codes.ts';
import { choice, text, wholeNumber } from './options.ts';
import { UsageError } from './usage-error.ts';
import { withServices } from './with-services.ts';

/** Classifies images. */
export const classify = defineCommand({
  usage: '<image> ...',
  details: 'Prints the most probable classes of each image.',
  options: {
    model: text('<model>', 'name, name@version or name@alias (default: the default model)'),
    'top-k': wholeNumber('classes to print', 1, 5),
    runtime: choice(RUNTIME_NAMES, 'runtime that computes the model', 'onnx'),
  },
  run: ({ values: { model, 'top-k': topK, runtime }, positionals }, context) => {
    if (positionals.length === 0) throw new UsageError('the image is missing');
    return withServices(context, async ({ classifier }) => {
      const { terminal, signal } = context;
      const images = await Promise.all(
        positionals.map(async (filename) => ({ filename, bytes: await read(filename) })),
      );
      const { results, ...answer } = await classifier.classify({
        ...(model !== undefined && { model }),
        runtime,
        topK,
        threshold: 0,
        images,
        signal,
      });
      terminal.line(`${answer.model}, version ${answer.version}`);
      for (const result of results) {
        terminal.line(`\n${result.filename}`);
        if ('error' in result) {
          terminal.line(`  ${result.error.message}`);
          continue;
        }
        if (result.unknown) terminal.line('  unknown: the model is not confident enough in any class');
        for (const { detail } of result.warnings) terminal.line(`  warning: ${detail}`);
        for (const { label, score } of result.predictions) {
          terminal.line(`  ${(100 * score).toFixed(1).padStart(5)} %  ${label}`);
        }
      }
      return results.some((result) => 'error' in result) ? EXIT_CODES.partial : EXIT_CODES.done;
    });
  },
});

async function read(path: string): Promise<Buffer> {
  return readFile(path).catch((thrown) => {
    throw new Error(`${path} cannot be read: ${messageOf(thrown)}`);
  });
}
