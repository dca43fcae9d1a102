import type { TensorFlow } from '../../runtime/tensorflow.ts';
import { type DatasetFeatures, lastLayers } from '../features/dataset-features.ts';
import { joinImages, type Samples, samplesOf } from '../features/feature-set.ts';
import { blendLayers, blendOf } from './blend.ts';
import { fitTemperature, scaledSoftmax } from './calibration.ts';
import type { DenseLayer } from './dense-layers.ts';
import type { Head } from './head.ts';
import { fitPrototypes } from './prototypes.ts';
import { fitRidge, PENALTIES, type RidgeHead } from './ridge-regression.ts';
import { chooseThreshold } from './threshold.ts';

/** With more images of a class on average, gradient descent is as good. */
const MAX_PER_CLASS = 40;
/** With more images, gradient descent is faster. */
const MAX_IMAGES = 1000;
/** With more rows, the augmented copies are left out: the time grows with the cube of their number. */
const MAX_ROWS = 900;
/** Answers differ by at most about 1; logits of this scale need a temperature near 1. */
const LOGIT_SCALE = 10;
/** With so many images of a class, the weights of the blend are drawn half way to equal ones. */
const TRUSTED = 5;
/** Penalties that are compared with copies: the best without them, and a third and three times of it. */
const AROUND = [1 / 3, 1, 3];

/** A head that was solved for instead of trained. */
export interface SolvedHead {
  /** Features of the layers that it reads. */
  readonly features: DatasetFeatures;
  readonly augmented: boolean;
  readonly head: Head;
  /** Of the ridge regression. */
  readonly penalty: number;
  /** Weight of the class prototypes that are added to it; 0 where they do not help. */
  readonly prototypes: number;
}

/** Whether a head for so many training and validation images is solved for. */
export function areFew(images: number, classes: number): boolean {
  return images <= MAX_PER_CLASS * classes && images <= MAX_IMAGES;
}

/** How many of `offered` last layers of a backbone a head that is solved for may read. */
export function solvedLayers(offered: number, layers?: 'last' | 'all'): number[] {
  if (layers !== undefined) return [layers === 'all' ? offered : 1];
  return offered === 1 ? [1] : [1, offered];
}

/**
 * Solves for a head on few images: ridge regression on the last layer or on all of them, with and without augmented
 * copies, to which the class prototypes of the last layer are added. Layers, copies, penalty and weights are those with
 * the least squared error for left-out images: with few of them, it tells candidates apart where a share of right
 * answers, which has only as many values as there are images, does not. It uses training and validation images, since
 * nothing has to be stopped early; the answers for left-out images choose temperature and threshold.
 *
 * Measured on 5, 10 and 20 images per class of three data sets on the features of two backbones (`npm run few-images`), it
 * was never below 5 nearest neighbours or class means by more than chance. Gradient descent with early stopping on one or
 * two images per class was up to 8.5 points below them, though level with this head on sign digits at 20 images.
 *
 * @param layerChoices how many of the backbone's last layers the head may read
 */
export function solveHead(
  tf: TensorFlow,
  offered: DatasetFeatures,
  classes: number,
  layerChoices: readonly number[],
): SolvedHead {
  const images = originalsOf(lastLayers(offered, 1));
  const { labels } = images;
  const prototypes = fitPrototypes(images, classes);
  const solved = (features: DatasetFeatures, augmented: boolean, penalties: readonly number[]): Candidate => {
    const training = joinImages({ ...features.train, augmented }, features.validation);
    return leastError(
      fitRidge(tf, training, classes, penalties).map((ridge) => ({
        features,
        augmented,
        ridge,
        error: squaredError(ridge.heldOut, labels, classes),
      })),
    );
  };
  const plain = layerChoices.map((count) => solved(lastLayers(offered, count), false, PENALTIES));
  const { copies } = offered.train.set;
  const rows = labels.length + (copies?.sources.length ?? 0);
  const varied =
    copies === undefined || rows > MAX_ROWS
      ? []
      : plain.map(({ features, ridge }) =>
          solved(
            features,
            true,
            AROUND.map((factor) => factor * ridge.penalty),
          ),
        );
  const { features, augmented, ridge } = leastError([...plain, ...varied]);
  // Blended once, when all else is chosen: to choose by the error of blends would fit the chance in few images.
  const blend = blendOf(
    ridge.heldOut,
    prototypes.heldOut,
    labels,
    classes,
    1 / (1 + labels.length / classes / TRUSTED),
  );
  const weights = { first: LOGIT_SCALE * blend.first, second: LOGIT_SCALE * blend.second };
  const layer = blendLayers(ridge.layer, prototypes.layer, weights);
  return {
    features,
    augmented,
    head: headOf(
      layer,
      ridge.heldOut.map((value, i) => weights.first * value + weights.second * (prototypes.heldOut[i] ?? 0)),
      labels,
      classes,
    ),
    penalty: ridge.penalty,
    prototypes: blend.second,
  };
}

interface Candidate {
  readonly features: DatasetFeatures;
  readonly augmented: boolean;
  readonly ridge: RidgeHead;
  /** Squared error per left-out image. */
  readonly error: number;
}

function leastError(candidates: readonly Candidate[]): Candidate {
  return candidates.reduce((least, next) => (next.error < least.error ? next : least));
}

/** Squared error of answers `[n, classes]` for one-hot targets, per sample. */
export function squaredError(answers: Float32Array, labels: Int32Array, classes: number): number {
  let sum = 0;
  answers.forEach((answer, i) => {
    sum += (answer - Number(labels[Math.floor(i / classes)] === i % classes)) ** 2;
  });
  return sum / labels.length;
}

/** Training and validation images, without copies. */
function originalsOf({ train, validation }: DatasetFeatures): Samples {
  return samplesOf(joinImages({ ...train, augmented: false }, validation));
}

function headOf(layer: DenseLayer, heldOut: Float32Array, labels: Int32Array, classes: number): Head {
  const temperature = fitTemperature({ logits: heldOut, labels, classes });
  return {
    layers: [layer],
    history: [],
    bestEpoch: 0,
    retrained: false,
    temperature,
    unknown: chooseThreshold(scaledSoftmax(heldOut, temperature, classes), labels, classes),
    tunedOn: 'cross_validation',
  };
}
