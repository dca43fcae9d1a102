import type { ConceptAccuracy, HierarchicalAccuracy } from '../registry/hierarchical-accuracy.ts';
import { TTA_MODES } from '../image/views.ts';
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
    'Measures the top-1 and top-5 accuracy, and how near wrong answers are in WordNet. The folder or zip has one\n' +
    'folder per class, named by the synset or label of a class of the model.',
  options: {
    tta: choice(TTA_MODES, 'average over several views of each image, as menagerie classify does'),
    runtime: choice(RUNTIME_NAMES, 'runtime that computes the model', 'onnx'),
    ...YES_OPTION,
  },
  run: ({ values: { tta, runtime, yes }, positionals: [model, data, ...rest] }, context) => {
    expectEnd(rest);
    const name = required('the model', model);
    const path = required('the folder or zip', data);
    return withZoo(context, async (zoo) => {
      await offerPullInZoo(zoo, name, { yes }, context);
      const { terminal, signal } = context;
      const bar = new ProgressBar('images');
      const onProgress = (done: number, total: number) => bar.update(done, total);
      const how = { runtime, ...(tta !== undefined && { tta }), onProgress, signal };
      const evaluation = await zoo.evaluate(name, path, how).finally(() => bar.end());
      const { images, top1, top5, hierarchy, unknownClasses, unreadable } = evaluation;
      const shares = `top-1 ${percent(top1)}, top-5 ${percent(top5)}`;
      terminal.line(`${evaluation.model} (${runtime}) on ${images} images of ${path}: ${shares}`);
      if (hierarchy !== undefined) for (const line of hierarchyLines(hierarchy)) terminal.line(line);
      if (unknownClasses.length > 0) {
        terminal.line(
          `not counted for the accuracy, because the model does not have these classes: ${unknownClasses.join(', ')}`,
        );
      }
      for (const { name: file, reason } of unreadable) terminal.line(`not counted: ${file}: ${reason}`);
      terminal.document({ ...evaluation, runtime, ...(tta !== undefined && { tta }) });
      return undefined;
    });
  },
});

function hierarchyLines({ precision, recall, f1, mistakeDistance, classDepth, ...concepts }: HierarchicalAccuracy) {
  const { concepts: all, conceptsOfMistakes: mistakes, conceptsOfOthers: others } = concepts;
  const distance = mistakeDistance === undefined ? '' : `; mistakes are ${mistakeDistance.toFixed(2)} links away`;
  return [
    `hierarchical precision ${percent(precision)}, recall ${percent(recall)}, F ${percent(f1)}${distance}`,
    `mean depth of the classes: ${classDepth.toFixed(1)}`,
    `the concept at 0.5 is right: ${conceptWords(all)}`,
    `  where the first class is wrong: ${conceptWords(mistakes)}`,
    ...(others.images > 0 ? [`  where the model does not have the class: ${conceptWords(others)}`] : []),
  ];
}

function conceptWords({ images, right, depth }: ConceptAccuracy): string {
  return `${percent(right)} of ${images}${depth === undefined ? '' : `, at a mean depth of ${depth.toFixed(1)}`}`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}
