import type { ModelFacts } from './api/schema.ts';
import { count, counted } from './format.ts';

/** The share of right answers, in percent, on the first data set of its card; undefined where it was not measured. */
export function accuracyOf({ accuracy }: ModelFacts): number | undefined {
  return accuracy[0]?.top1;
}

/** What a model knows and how often it is right: `200 things, right on 46 of 100 photos (Tiny ImageNet 200)` */
export function knowledgeOf({ num_classes, accuracy: [first] }: ModelFacts): string {
  const things = counted(num_classes, 'thing');
  if (first === undefined) return `${things}; how often it is right is not measured`;
  return `${things}, right on ${count(Math.round(first.top1))} of 100 photos (${first.dataset.split(',', 1)})`;
}
