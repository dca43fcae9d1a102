/** Classifies images. */
import { readFile } from 'node:fs/promises';
import { messageOf } from '../src/common/errors.ts';
import { RUNTIME_NAMES } from '../src/runtime/session.ts';
import { oneOf, readCommandLine, UsageError, wholeNumber } from './command-line.ts';
import { withServices } from './with-services.ts';

const USAGE = `usage: npm run classify -- <image> ... [options]

Classifies images and prints the most probable classes of each.

  --model <model>       name, name@version or name@alias (default: the default model)
  --top-k <n>           classes to print (default: 5)
  --runtime onnx|tfjs   runtime that computes the model (default: onnx)`;

const { paths, model, topK, runtime } = readCommandLine(
  USAGE,
  {
    model: { type: 'string' },
    'top-k': { type: 'string', default: '5' },
    runtime: { type: 'string', default: 'onnx' },
  },
  ({ values, positionals }) => {
    if (positionals.length === 0) throw new UsageError('the image is missing');
    return {
      paths: positionals,
      model: values.model,
      topK: wholeNumber('--top-k', values['top-k'], 1),
      runtime: oneOf('--runtime', values.runtime, RUNTIME_NAMES),
    };
  },
);

await withServices(async ({ services }) => {
  const images = await Promise.all(paths.map(async (filename) => ({ filename, bytes: await read(filename) })));
  const classification = await services.classifier.classify({
    ...(model !== undefined && { model }),
    runtime,
    topK,
    threshold: 0,
    images,
    signal: new AbortController().signal,
  });
  console.log(`${classification.model}, version ${classification.version}`);
  for (const result of classification.results) {
    console.log(`\n${result.filename}`);
    if ('error' in result) {
      console.log(`  ${result.error.message}`);
      process.exitCode = 1;
      continue;
    }
    if (result.unknown) console.log('  unknown: the model is not confident enough in any class');
    for (const { label, score } of result.predictions) {
      console.log(`  ${(100 * score).toFixed(1).padStart(5)} %  ${label}`);
    }
  }
});

async function read(path: string): Promise<Buffer> {
  return readFile(path).catch((thrown) => {
    throw new Error(`${path} cannot be read: ${messageOf(thrown)}`);
  });
}
