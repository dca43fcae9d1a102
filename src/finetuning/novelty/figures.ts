import type { ManifestFile } from '../../registry/manifest.ts';
import type { Separation } from './separation.ts';
import type { TrainedDetector } from './train-detector.ts';

type Figures = Omit<NonNullable<ManifestFile['novelty']>, 'file' | 'sha256'>;

/** What the card says about a detector: on images of other things if there were any, else on classes left out. */
export function noveltyFigures({ test }: TrainedDetector): Figures {
  const { accepted, negatives, leaveClassOut } = test;
  const { methods } = negatives ?? leaveClassOut ?? {};
  return {
    ...(accepted !== undefined && { accepted }),
    ...(methods && { measured_on: negatives === undefined ? 'left_out_classes' : 'unknown_images' }),
    ...(methods?.mahalanobis && { detector: separationFigures(methods.mahalanobis) }),
    ...(methods?.softmax && { softmax: separationFigures(methods.softmax) }),
  };
}

/** A separation in the spelling of the API. */
export function separationFigures({ auroc, falsePositives }: Separation) {
  return { auroc, false_positives: falsePositives };
}
