import { solvedLayers } from '../head/few-images.ts';
import { defaultHyperparameters, type Hyperparameters } from '../head/hyperparameters.ts';
import { PENALTIES } from '../head/ridge-regression.ts';
import { FEW_IMAGES } from '../head/weight-decay.ts';

/** The first layer of a head, which takes most of the time. */
interface DescentShape {
  /** Of the features that the head reads. */
  readonly dimension: number;
  readonly classes: number;
  readonly hiddenUnits: readonly number[];
}

/** A training without a search. */
export interface Training extends DescentShape {
  readonly train: number;
  readonly validation: number;
  /** Copies of each training image. */
  readonly copies: number;
  /** What the client has set. */
  readonly fixed: Partial<Hyperparameters>;
  /** Whether the head is solved for. */
  readonly few: boolean;
}

/** Work in the units of `SearchClock`, by kind. */
export interface HeadWork {
  readonly ridge: number;
  readonly descent: number;
  /** Detectors of unknown images that are fitted. */
  readonly detectors: number;
}

/** To copy a feature takes as long as so many multiplications. */
const COPYING = 10;
/** To standardise and update a weight in each step does, too. */
const UPDATING = 60;
/** The gram matrix is computed by TensorFlow.js, several times as fast as the rest. */
const GRAM_SHARE = 1 / 8;
/** Fits of a learning curve on parts of the images, as the work of a fit on all. */
const LEARNING_CURVE = 3.5;
/** Classes that are left out to test the detector of unknown images, and the most images of each such training. */
const LEFT_OUT = 8;
const MAX_TRAINED = 1500;

/** Units of ridge regressions with so many penalties. */
export function ridgeWork(rows: number, dimension: number, penalties: number): number {
  return (penalties * rows ** 3) / 2 + GRAM_SHARE * rows ** 2 * dimension;
}

/** Units of a gradient descent. `passes` is the number of samples times epochs. */
export function descentWork(
  passes: number,
  { dimension, classes, hiddenUnits, batchSize }: DescentShape & { readonly batchSize: number },
): number {
  const outputs = hiddenUnits[0] ?? classes;
  return passes * dimension * (outputs * (1 + UPDATING / batchSize) + COPYING);
}

/**
 * The work of training and testing a head, features left out, and early stopping too: the most that it can be. It follows
 * `trainAndTest`.
 */
export function headWork(training: Training): HeadWork {
  const { train, validation, classes, copies, dimension, few } = training;
  const images = train + validation;
  const samples = train * (1 + copies);
  const { epochs, batchSize } = { ...defaultHyperparameters(samples, dimension, 0), ...training.fixed };
  const shape = { ...training, batchSize };
  const leftOut = Math.min(LEFT_OUT, classes);
  const detectors = 1 + leftOut;
  const detector = leftOut * Math.min(MAX_TRAINED, train) * epochs;
  if (few) {
    const choices = solvedLayers(2).length;
    const solves = choices * ridgeWork(images, dimension, PENALTIES.length + LEARNING_CURVE);
    const copied = choices * ridgeWork(images + train * copies, dimension, 3);
    return { ridge: solves + (copies > 0 ? copied : 0), descent: descentWork(detector, shape), detectors };
  }
  const tuned = train <= FEW_IMAGES ? 6 * train * epochs : 0;
  const stopped = (samples + validation / 2) * epochs;
  const continued = ((samples + validation) * epochs) / 3;
  const calibrated = images <= FEW_IMAGES ? 2 * (samples + validation) * epochs : 0;
  return { ridge: 0, descent: descentWork(tuned + stopped + continued + calibrated + detector, shape), detectors };
}
