import { separationFigures } from '../novelty/figures.ts';
import { type MethodSeparations, NOVELTY_METHODS } from '../novelty/scores.ts';
import { ACCEPTED } from '../novelty/separation.ts';
import type { TrainedDetector } from '../novelty/train-detector.ts';
import type { NoveltyReport } from './report-schema.ts';

/** Writes a detector in the terms of `report.json`. */
export function buildNoveltyReport({ detector, tunedOn, test }: TrainedDetector): NoveltyReport {
  const { accepted, leaveClassOut, negatives } = test;
  return {
    method: 'mahalanobis',
    target: ACCEPTED,
    tuned_on: tunedOn,
    judged: detector.judged,
    ...(accepted !== undefined && { accepted }),
    ...(leaveClassOut && {
      left_out_classes: { classes: leaveClassOut.classes, methods: methodRows(leaveClassOut.methods) },
    }),
    ...(negatives && {
      unknown_images: { images: negatives.images, refused: negatives.refused, methods: methodRows(negatives.methods) },
    }),
  };
}

function methodRows(methods: MethodSeparations) {
  return NOVELTY_METHODS.flatMap((method) => {
    const found = methods[method];
    return found === undefined ? [] : [{ method, ...separationFigures(found) }];
  });
}
