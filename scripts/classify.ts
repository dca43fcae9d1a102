/** Names what is in pictures: npm run classify -- photo.jpg ... [--model flowers] [--top-k 5] [--runtime tfjs] */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { messageOf } from '../src/common/errors.ts';
import { createLogger } from '../src/common/logger.ts';
import { readConfig } from '../src/config.ts';
import { RUNTIME_NAMES } from '../src/runtime/session.ts';
import { createServices } from '../src/services.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string' },
    'top-k': { type: 'string', default: '5' },
    runtime: { type: 'string', default: 'onnx' },
  },
});
const runtime = RUNTIME_NAMES.find((known) => known === values.runtime);
const topK = Number(values['top-k']);
if (positionals.length === 0 || runtime === undefined || !(topK >= 1)) {
  console.error('usage: npm run classify -- <image> ... [--model <model>] [--top-k 5] [--runtime onnx|tfjs]');
  process.exit(2);
}

const services = await createServices(readConfig(process.env), createLogger('error'));
try {
  const images = await Promise.all(
    positionals.map(async (filename) => ({ filename, bytes: await readFile(filename) })),
  );
  const { model, version, results } = await services.classifier.classify({
    ...(values.model !== undefined && { model: values.model }),
    runtime,
    topK,
    threshold: 0,
    images,
    signal: new AbortController().signal,
  });
  console.log(`${model}, version ${version}`);
  for (const result of results) {
    console.log(`\n${result.filename}`);
    if ('error' in result) {
      console.log(`  ${result.error.message}`);
      process.exitCode = 1;
      continue;
    }
    if (result.unknown) console.log('  unknown: no class is likely enough');
    for (const { label, score } of result.predictions) {
      console.log(`  ${(100 * score).toFixed(1).padStart(5)} %  ${label}`);
    }
  }
} catch (thrown) {
  console.error(messageOf(thrown));
  process.exitCode = 1;
} finally {
  await services.close();
}
