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
  readonly test: number;
  /** Copies of each training image. */
  readonly copies: number;
  /** What the client has set. */
  readonly fixed: Partial<Hyperparameters>;
  /** Whether the head is solved for. */
  readonly few: boolean;
  /** Whether the weight decay is chosen before, as it is in a training without a search. */
  readonly tuned: boolean;
  /** Share of the epochs until early stopping ends the training, above 0, at most 1. */
  readonly epochsShare: number;
}

/** Work in the units of `SearchClock`, by kind. */
export interface HeadWork {
  readonly ridge: number;
  readonly descent: number;
  /** To fit and test the detector of unknown images. */
  readonly detector: number;
}

/** To copy a feature takes as long as so many multiplications. */
const COPYING = 10;
/** To standardise and update a weight in each step does, too. */
const UPDATING = 60;
/** The gram matrix is computed by TensorFlow.js, several times as fast as the rest. */
const GRAM_SHARE = 1 / 8;
/** Fits of a learning curve on parts of the images, as the work of a fit on all. */
const LEARNING_CURVE = 3.5;
/** To fit a detector takes as many multiplications for each feature of each image, of at most so many. */
const FITTING = 60;
const MAX_FITTED = 2000;
/** With more images, the threshold of the detector is that of images held out once, without inner products. */
const MAX_FOLDED = 800;
/** Fits from inner products, and multiplications of each for a pair of images. */
const FOLD_FITS = 11;
const FITTING_PAIR = 20;
/** Classes that are left out to test the detector, the most images for that, and the penalties of a head without one. */
const LEFT_OUT = 8;
const MAX_LEFT_OUT = 600;
const HEAD_PENALTIES = 3;
/** Multiplications to judge an image by another one. */
const JUDGING_PAIR = 40;

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
 * Units of fitting a detector of unknown images and testing it without one class after the other. It follows
 * `trainDetector`.
 * @param dimension of the last layer of the backbone
 */
export function detectorWork(
  { train, validation, test }: Pick<Training, 'train' | 'validation' | 'test'>,
  dimension: number,
  classes: number,
): number {
  const known = train + validation;
  const fit = FITTING * Math.min(MAX_FITTED, known) * dimension;
  const threshold =
    known > MAX_FOLDED ? fit : GRAM_SHARE * known ** 2 * dimension + FOLD_FITS * FITTING_PAIR * known ** 2;
  const fitted = Math.min(MAX_LEFT_OUT, train);
  const held = Math.min(MAX_LEFT_OUT, validation + test);
  const leftOut = Math.min(LEFT_OUT, classes);
  const heads = ridgeWork(fitted, 0, HEAD_PENALTIES) + GRAM_SHARE * (fitted + held) ** 2 * dimension;
  const judged = leftOut * fitted * (FITTING_PAIR * fitted + JUDGING_PAIR * held);
  return fit + threshold + heads + judged;
}

/** The work of training and testing a head, features left out. It follows `trainAndTest`. */
export function headWork(training: Training): HeadWork {
  const { train, validation, classes, copies, dimension, few, fixed } = training;
  const images = train + validation;
  // A detector reads the last layer, which has about half of the features.
  const detector = detectorWork(training, dimension / 2, classes);
  if (few) {
    const choices = solvedLayers(2).length;
    const solves = choices * ridgeWork(images, dimension, PENALTIES.length);
    const curve = ridgeWork(images, dimension, LEARNING_CURVE);
    const copied = choices * ridgeWork(images + train * copies, dimension, 3);
    return { ridge: solves + curve + (copies > 0 ? copied : 0), descent: 0, detector };
  }
  const samples = train * (1 + copies);
  const { epochs, batchSize } = { ...defaultHyperparameters(samples, dimension, 0), ...fixed };
  // Nothing stops a training without validation images.
  const reached = validation === 0 ? epochs : epochs * training.epochsShare;
  const stopped = (samples + validation / 2) * reached;
  const continued = validation === 0 ? 0 : ((samples + validation) * reached) / 3;
  const calibrated = images <= FEW_IMAGES ? 2 * (samples + validation) * reached : 0;
  const descent = descentWork(stopped + continued + calibrated, { ...training, batchSize });
  return { ridge: 0, descent: descent + (training.tuned ? tuningWork(training) : 0), detector };
}

/** Units of the choice of a weight decay: three values, each by three folds of two thirds of the images. */
function tuningWork({ train, fixed, ...shape }: Training): number {
  if (train > FEW_IMAGES || fixed.weightDecay !== undefined) return 0;
  const { epochs, batchSize } = defaultHyperparameters((2 * train) / 3, shape.dimension, 0);
  return descentWork(6 * train * epochs, { ...shape, batchSize });
}
