import { RUNTIME_NAMES } from '../runtime/session.ts';
import { defineCommand } from './command.ts';
import { offerPullInZoo, YES_OPTION } from './offer-pull.ts';
import { choice, expectEnd, required } from './options.ts';
import { ProgressBar } from './progress-bar.ts';
import { withZoo } from './with-zoo.ts';

/** Measures the accuracy of a model on labelled images, with the code that serves requests. */
export const evaluate = defineCommand({
  usage: '<model> <folder or zip>',
  details:
    'Measures the top-1 and top-5 accuracy. The folder or zip has one folder per class, named by the synset or\n' +
    'label of a class of the model.',
  options: { runtime: choice(RUNTIME_NAMES, 'runtime that computes the model', 'onnx'), ...YES_OPTION },
  run: ({ values: { runtime, yes }, positionals: [model, data, ...rest] }, context) => {
    expectEnd(rest);
    const name = required('the model', model);
    const path = required('the folder or zip', data);
    return withZoo(context, async (zoo) => {
      await offerPullInZoo(zoo, name, { yes }, context);
      const { terminal, signal } = context;
      const bar = new ProgressBar('images');
      const onProgress = (done: number, total: number) => bar.update(done, total);
      const evaluation = await zoo.evaluate(name, path, { runtime, onProgress, signal }).finally(() => bar.end());
      const { images, top1, top5, unknownClasses, unreadable } = evaluation;
      const shares = `top-1 ${percent(top1)}, top-5 ${percent(top5)}`;
      terminal.line(`${evaluation.model} (${runtime}) on ${images} images of ${path}: ${shares}`);
      if (unknownClasses.length > 0) {
        terminal.line(`not counted, because the model does not have these classes: ${unknownClasses.join(', ')}`);
      }
      for (const { name: file, reason } of unreadable) terminal.line(`not counted: ${file}: ${reason}`);
      terminal.document({ ...evaluation, runtime });
      return undefined;
    });
  },
});

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}
