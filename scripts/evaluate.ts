/** Measures the accuracy of a model on labelled images, with the code that serves requests. */
import { measureAccuracy } from '../src/evaluation/accuracy.ts';
import { RUNTIME_NAMES } from '../src/runtime/session.ts';
import { expectEnd, oneOf, readCommandLine, required } from './command-line.ts';
import { ProgressBar } from './progress-bar.ts';
import { withServices } from './with-services.ts';

const USAGE = `usage: npm run evaluate -- <model> <folder or zip> [options]

Measures the top-1 and top-5 accuracy of a model on labelled images. The folder or zip has
one folder per class, named by the synset or label of a class of the model.

  --runtime onnx|tfjs   runtime that computes the model (default: onnx)`;

const { name, path, runtime } = readCommandLine(
  USAGE,
  { runtime: { type: 'string', default: 'onnx' } },
  ({ values, positionals: [model, data, ...rest] }) => {
    expectEnd(rest);
    return {
      name: required('the model', model),
      path: required('the folder or zip', data),
      runtime: oneOf('--runtime', values.runtime, RUNTIME_NAMES),
    };
  },
);

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
await withServices(async ({ services }) => {
  const model = services.registry.resolve(name);
  const bar = new ProgressBar('images');
  const { images, top1, top5, unknownClasses, unreadable } = await measureAccuracy(
    (request) => services.classifier.classify(request),
    { model, runtime, path, onProgress: (done, total) => bar.update(done, total) },
  );
  bar.end();
  console.log(`${name} (${runtime}) on ${images} images of ${path}: top-1 ${percent(top1)}, top-5 ${percent(top5)}`);
  if (unknownClasses.length > 0) {
    console.log(`not counted, because the model does not have these classes: ${unknownClasses.join(', ')}`);
  }
  for (const { name: file, reason } of unreadable) console.log(`not counted: ${file}: ${reason}`);
});
