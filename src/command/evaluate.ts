import { ROUNDED_VARIANTS } from '../evaluation/variant-comparison.ts';
import type { Robustness } from '../finetuning/head/robustness.ts';
import { TTA_MODES } from '../image/views.ts';
import type { FittedNovelty, NoveltySeparation } from '../library/zoo.ts';
import type { ConceptAccuracy, HierarchicalAccuracy } from '../registry/hierarchical-accuracy.ts';
import { RUNTIME_NAMES } from '../runtime/session.ts';
import { defineCommand } from './command.ts';
import { comparisonLines } from './comparison-lines.ts';
import { offerPullInZoo, YES_OPTION } from './offer-pull.ts';
import { choice, expectEnd, flag, required } from './options.ts';
import { ProgressBar } from './progress-bar.ts';
import { UsageError } from './usage-error.ts';
import { withZoo } from './with-zoo.ts';

/** Measures the accuracy of a model on labelled images, with the code that serves requests. */
export const evaluate = defineCommand({
  usage: '<model> <folder or zip>',
  details:
    'Measures the top-1 and top-5 accuracy, and how near wrong answers are in WordNet. The folder or zip has one\n' +
    'folder per class, named by the synset or label of a class of the model. --novelty needs five images of every\n' +
    'class; a folder _unknown tests the detector. It stays beside the model until menagerie rm removes it.',
  options: {
    tta: choice(TTA_MODES, 'average over several views of each image, as menagerie classify does'),
    corruptions: flag('also test 55 corrupted images of each: noise, blur, fog, JPEG and others, at five severities'),
    novelty: flag('also fit a detector of images of other things; answers of the model then say "unknown"'),
    runtime: choice(RUNTIME_NAMES, 'runtime that computes the model', 'onnx'),
    variant: choice(ROUNDED_VARIANTS, 'also compare this form with floats: answers, size and speed'),
    ...YES_OPTION,
  },
  run: (
    { values: { tta, corruptions, novelty: fits, runtime, variant, yes }, positionals: [model, data, ...rest] },
    context,
  ) => {
    expectEnd(rest);
    const name = required('the model', model);
    const path = required('the folder or zip', data);
    if (corruptions && tta !== undefined) throw new UsageError('--corruptions and --tta exclude each other');
    return withZoo(context, async (zoo) => {
      await offerPullInZoo(zoo, name, { yes }, context);
      const { terminal, signal } = context;
      const bar = new ProgressBar('images');
      const onProgress = (done: number, total: number) => bar.update(done, total);
      const more = { ...(tta !== undefined && { tta }), ...(variant !== undefined && { variant }) };
      const how = { runtime, corruptions, novelty: fits, ...more, onProgress, signal };
      const evaluation = await zoo.evaluate(name, path, how).finally(() => bar.end());
      const { images, top1, top5, hierarchy, robustness, novelty, comparison, unknownClasses, unreadable } = evaluation;
      const shares = `top-1 ${percent(top1)}, top-5 ${percent(top5)}`;
      terminal.line(`${evaluation.model} (${runtime}) on ${images} images of ${path}: ${shares}`);
      if (hierarchy !== undefined) for (const line of hierarchyLines(hierarchy)) terminal.line(line);
      if (robustness !== undefined) for (const line of robustnessLines(robustness)) terminal.line(line);
      if (comparison !== undefined) for (const line of comparisonLines(comparison)) terminal.line(line);
      if (novelty !== undefined) for (const line of noveltyLines(novelty)) terminal.line(line);
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

/** A table with a row for each corruption, the weakest first. */
function robustnessLines({ corruptedAccuracy, meanCorruptionError, relativeRobustness, ...rest }: Robustness) {
  const { corruptions, images, worst } = rest;
  const row = (name: string, shares: readonly number[]) =>
    name.padEnd(18) + shares.map((share) => (100 * share).toFixed(1).padStart(7)).join('');
  const relative = relativeRobustness === undefined ? '' : `, ${percent(relativeRobustness)} of the clean accuracy`;
  return [
    `corrupted: top-1 ${percent(corruptedAccuracy)}${relative}; mean corruption error ${percent(meanCorruptionError)}`,
    `top-1 in % by severity, on ${images} images each`,
    `${'corruption'.padEnd(18)}${[1, 2, 3, 4, 5].map((severity) => String(severity).padStart(7)).join('')}   mean`,
    ...corruptions.map(({ corruption, accuracy, bySeverity }) => row(corruption, [...bySeverity, accuracy])),
    ...worst
      .slice(0, 3)
      .map(
        ({ id, corruption, severity }) => `among the worst mistakes: ${id} with ${corruption}, severity ${severity}`,
      ),
  ];
}

function noveltyLines({ accepted, unknownImages }: FittedNovelty): string[] {
  const line = (name: string, { auroc, falsePositives }: NoveltySeparation) =>
    `  ${name}: AUROC ${auroc.toFixed(3)}, accepts ${percent(falsePositives)} of the others at 95 % of the classes`;
  return [
    `a detector of images of other things was fitted; it accepts ${percent(accepted)} of held-out images of the classes`,
    ...(unknownImages === undefined
      ? []
      : [line('detector', unknownImages.detector), line('highest probability', unknownImages.softmax)]),
  ];
}

function conceptWords({ images, right, depth }: ConceptAccuracy): string {
  return `${percent(right)} of ${images}${depth === undefined ? '' : `, at a mean depth of ${depth.toFixed(1)}`}`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}
