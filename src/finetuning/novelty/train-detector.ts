import type { TensorFlow } from '../../runtime/tensorflow.ts';
import { type DatasetFeatures, lastLayers } from '../features/dataset-features.ts';

import { computeLogits, type DenseLayer } from '../head/dense-layers.ts';
import { type FittedDetector, fitDetector, fitDetectorOn, noveltyScores } from './detector.ts';
import { type LeaveClassOut, leaveClassesOut } from './leave-class-out.ts';
import { joinRows } from './rows.ts';
import { type MethodScores, type MethodSeparations, methodScores, NOVELTY_METHODS } from './scores.ts';
import { separationOf } from './separation.ts';

/** How a detector does on images that it was not fitted on. */
export interface NoveltyTest {
  /** Share of the test images that are not unknown to it; undefined without test images. */
  readonly accepted: number | undefined;
  readonly leaveClassOut: LeaveClassOut | undefined;
  /** On the test images and the images labelled `_unknown` that the threshold was not chosen on. */
  readonly negatives: NegativesTest | undefined;
}

/** How a detector does on images that show none of the classes. */
export interface NegativesTest {
  /** Images that show none of the classes. */
  readonly images: number;
  /** Share of them that it answers as unknown. */
  readonly refused: number;
  readonly methods: MethodSeparations;
}

/** A detector, and how it does. */
export interface TrainedDetector {
  readonly detector: FittedDetector;
  /** Images labelled `_unknown` that the threshold was chosen with. */
  readonly tunedOn: number;
  readonly test: NoveltyTest;
}

/** Input of `trainDetector`. */
export interface TrainDetectorInput {
  /** Of the layers that the head reads; the last are the backbone's own features, which the detector reads. */
  readonly features: DatasetFeatures;
  readonly classes: number;
  readonly seed: number;
  /** The layers of the head, for comparison. */
  readonly layers: readonly DenseLayer[];
}

/**
 * Fits a detector of unknown images on the training and validation images, and tests it: on the test images, by leaving
 * out each class in turn, and on images labelled `_unknown` if there are any.
 */
export function trainDetector(
  tf: TensorFlow,
  { features, classes, seed, layers }: TrainDetectorInput,
): TrainedDetector {
  const own = lastLayers(features, 1);
  const known = joinRows({ features: own.train.set.originals, labels: own.train.labels }, own.validation);
  const tuning = own.negatives?.tuning ?? new Float32Array();
  const detector = fitDetector(tf, known, tuning, seed);
  const { dimension } = detector;
  const accepted = noveltyScores(tf, detector, own.test.features).filter((novelty) => novelty <= 1).length;
  const tested = own.test.labels.length;
  return {
    detector,
    tunedOn: tuning.length / dimension,
    test: {
      accepted: tested === 0 ? undefined : accepted / tested,
      leaveClassOut: leaveClassesOut(
        tf,
        { features: own.train.set.originals, labels: own.train.labels },
        joinRows(own.validation, own.test),
        classes,
        seed,
      ),
      negatives: testNegatives(),
    },
  };

  function testNegatives(): NegativesTest | undefined {
    const others = own.negatives?.test ?? new Float32Array();
    const images = others.length / dimension;
    if (images === 0 || tested === 0) return undefined;
    const score = (rows: Float32Array, read: Float32Array): MethodScores =>
      methodScores(tf, {
        train: known,
        features: rows,
        logits: computeLogits(tf, layers, read),
        classes,
        seed,
        detector,
      });
    const inside = score(own.test.features, features.test.features);
    const outside = score(others, features.negatives?.test ?? new Float32Array());
    const refused = noveltyScores(tf, detector, others).filter((novelty) => novelty > 1).length / images;
    const methods = NOVELTY_METHODS.flatMap((method) => {
      const [a, b] = [inside[method], outside[method]];
      return a === undefined || b === undefined ? [] : [[method, separationOf(a, b)] as const];
    });
    return { images, refused, methods: Object.fromEntries(methods) };
  }
}

/**
 * Fits a detector on the features of a network whose last stage was trained on the training images. Their features are
 * closer together than those of new images, so that the validation images alone choose the threshold. It is tested on
 * the test images only: the stage was trained on every class, so none can be left out, and the features of images
 * labelled `_unknown` are not computed with it.
 */
export function trainStageDetector(tf: TensorFlow, features: DatasetFeatures, seed: number): TrainedDetector {
  const { train, validation, test } = lastLayers(features, 1);
  const detector = fitDetectorOn(
    tf,
    { features: train.set.originals, labels: train.labels },
    validation.features,
    seed,
  );
  const accepted = noveltyScores(tf, detector, test.features).filter((novelty) => novelty <= 1).length;
  const tested = test.labels.length;
  return {
    detector,
    tunedOn: 0,
    test: {
      accepted: tested === 0 ? undefined : accepted / tested,
      leaveClassOut: undefined,
      negatives: undefined,
    },
  };
}
