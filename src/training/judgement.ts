import { type Calibration, calibrationOf, fitTemperature, type LabelledLogits } from './calibration.ts';
import { softmaxRows } from './cross-entropy.ts';
import { type Evaluation, evaluate } from './evaluation.ts';
import {
  applyThreshold,
  type CoveragePoint,
  chooseThreshold,
  coverageCurve,
  type UnknownThreshold,
} from './threshold.ts';

/** What is chosen on validation images, so that the test images stay a fair judge of it. */
export interface Tuning {
  /** What logits are divided by. */
  readonly temperature: number;
  readonly unknown: UnknownThreshold;
}

/** What the test images say about a head with its temperature and its threshold. */
export interface Judgement {
  readonly tuning: Tuning;
  readonly evaluation: Evaluation;
  readonly calibration: { readonly before: Calibration; readonly after: Calibration };
  readonly coverage: readonly CoveragePoint[];
  /** The test images at the threshold. */
  readonly accepted: CoveragePoint;
}

/** Chooses temperature and threshold on validation images; without any the temperature is 1 and nothing is unknown. */
export function tune(validation: LabelledLogits): Tuning {
  const temperature = fitTemperature(validation);
  const probabilities = probabilitiesOf(validation, temperature);
  return { temperature, unknown: chooseThreshold(probabilities, validation.labels, validation.classes) };
}

/**
 * Judges a head by its logits for test images, of which there is at least one.
 * @param ids `[n]`, how the report names each image
 */
export function judge(test: LabelledLogits, ids: readonly string[], tuning: Tuning): Judgement {
  const { labels, classes } = test;
  const probabilities = probabilitiesOf(test, tuning.temperature);
  return {
    tuning,
    evaluation: evaluate({ probabilities, labels, classes, ids }),
    calibration: {
      before: calibrationOf(probabilitiesOf(test, 1), labels, classes),
      after: calibrationOf(probabilities, labels, classes),
    },
    coverage: coverageCurve(probabilities, labels, classes),
    accepted: applyThreshold(probabilities, labels, classes, tuning.unknown.threshold),
  };
}

function probabilitiesOf({ logits, classes }: LabelledLogits, temperature: number): Float32Array {
  return softmaxRows(
    logits.map((logit) => logit / temperature),
    classes,
  );
}
