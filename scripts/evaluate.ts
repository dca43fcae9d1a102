/**
 * Measures a model on labelled images, through the code that serves: npm run evaluate -- <model> <folder or zip> [--runtime tfjs]
 */
import { parseArgs } from 'node:util';
import { messageOf } from '../src/common/errors.ts';
import { createLogger } from '../src/common/logger.ts';
import { readConfig } from '../src/config.ts';
import { measureAccuracy } from '../src/evaluation/accuracy.ts';
import { RUNTIME_NAMES } from '../src/runtime/session.ts';
import { createServices } from '../src/services.ts';
import { ProgressBar } from './progress-bar.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { runtime: { type: 'string', default: 'onnx' } },
});
const [name, path] = positionals;
const runtime = RUNTIME_NAMES.find((known) => known === values.runtime);
if (name === undefined || path === undefined || runtime === undefined) {
  console.error('usage: npm run evaluate -- <model> <folder or zip, a folder per class> [--runtime onnx|tfjs]');
  process.exit(2);
}

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
const services = await createServices(readConfig(process.env), createLogger('error'));
try {
  const model = services.registry.resolve(name);
  const bar = new ProgressBar('images');
  const { images, top1, top5, unknownClasses, unreadable } = await measureAccuracy(
    (request) => services.classifier.classify(request),
    { model, runtime, path, onProgress: (done, total) => bar.update(done, total) },
  );
  bar.end();
  console.log(`${name} (${runtime}) on ${images} images of ${path}: top-1 ${percent(top1)}, top-5 ${percent(top5)}`);
  if (unknownClasses.length > 0) {
    console.log(`left out, since the model does not know them: ${unknownClasses.join(', ')}`);
  }
  for (const { name: file, reason } of unreadable) console.log(`unreadable: ${file}: ${reason}`);
} catch (thrown) {
  console.error(messageOf(thrown));
  process.exitCode = 1;
} finally {
  await services.close();
}
