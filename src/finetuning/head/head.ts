import { seededRandom } from '../../common/random.ts';
import type { TensorFlow } from '../../runtime/tensorflow.ts';
import { joinImages, type Samples, samplesOf, type TrainingImages } from '../features/feature-set.ts';
import { fitTemperature, type LabelledLogits, scaledSoftmax } from './calibration.ts';
import { crossValidate, stratifiedFolds } from './cross-validation.ts';
import { computeLogits, type DenseLayer } from './dense-layers.ts';
import type { Hyperparameters } from './hyperparameters.ts';
import { chooseThreshold, type UnknownThreshold } from './threshold.ts';
import { type Epoch, type TrainedLayers, trainLayers } from './training-loop.ts';
import { FEW_IMAGES } from './weight-decay.ts';

/** Input of `trainHead` beside the hyperparameters. */
export interface TrainHeadInput {
  readonly images: TrainingImages;
  /** Images for early stopping; may be empty. */
  readonly validation: Samples;
  readonly classes: number;
  /** Called after each epoch of the training with early stopping. */
  readonly onEpoch?: (epoch: Epoch) => void;
  /** Called when the training with early stopping has ended. */
  readonly onTrained?: () => void;
  /** When all has to be trained, in milliseconds since 1970: early stopping then ends in time for what comes after it. */
  readonly trainBy?: number | undefined;
  readonly signal?: AbortSignal;
}

/** The images whose predictions the temperature and the threshold were chosen on. */
export type TunedOn = 'cross_validation' | 'validation_images';

/** A classification head: trained layers, a temperature, and a threshold for the answer "unknown". */
export interface Head extends TrainedLayers {
  /** Whether training went on with the validation images after early stopping. */
  readonly retrained: boolean;
  /** The logits are divided by this number; it is not yet folded into the layers. */
  readonly temperature: number;
  readonly unknown: UnknownThreshold;
  readonly tunedOn: TunedOn;
}

/** A head that was trained by gradient descent. */
export interface StoppedHead extends Head {
  /** The layers after early stopping, which no validation image has changed. */
  readonly stopped: readonly DenseLayer[];
}

/**
 * Epochs on all images, as a share of the epochs before. Measured over 22 splits of three data sets, continuing from
 * the trained layers for this long is as good as training new layers for all epochs.
 */
const CONTINUED_SHARE = 1 / 3;
const FOLDS = 3;
/** Stream of the seed that draws the folds. */
const FOLDING = 6;

/**
 * Trains a head with early stopping, then continues with training and validation images together: with few images, the
 * 15 % for validation are worth a point of accuracy. `history` and `bestEpoch` are those of the training with early
 * stopping.
 *
 * Temperature and threshold are chosen on predictions for images that the head has not seen. With at most 1,000
 * images, cross-validation with the same hyperparameters and number of epochs gives the predictions, because the
 * validation images are too few; with more, they are the predictions for the validation images after early stopping.
 * On 60 images per class of CIFAR-10, three backbones and two splits, retraining and cross-validation together lowered
 * the calibration error on test images from 7.9 to 6.5 % and raised the likelihood.
 *
 * @throws the reason of `signal` when it is aborted
 */
export async function trainHead(
  tf: TensorFlow,
  { images, validation, classes, onEpoch, onTrained, trainBy, signal }: TrainHeadInput,
  hyperparameters: Hyperparameters,
): Promise<StoppedHead> {
  const common = { classes, ...(signal && { signal }) };
  const few = images.labels.length + validation.labels.length <= FEW_IMAGES;
  const until = trainBy && Date.now() + (trainBy - Date.now()) / (1 + CONTINUED_SHARE + (few ? FOLDS - 1 : 0));
  const first = await trainLayers(
    tf,
    { ...common, train: samplesOf(images), validation, until, ...(onEpoch && { onEpoch }) },
    hyperparameters,
  );
  onTrained?.();
  const retrained = validation.labels.length > 0;
  const all = retrained ? joinImages(images, validation) : images;
  const lastEpoch = first.bestEpoch;
  const again = { ...hyperparameters, epochs: Math.ceil(lastEpoch * CONTINUED_SHARE) };
  const { layers } = retrained
    ? await trainLayers(tf, { ...common, train: samplesOf(all), start: first.layers }, again)
    : first;
  const unseen = few
    ? await crossValidatedLogits(tf, { ...all, ...common, lastEpoch }, hyperparameters)
    : { logits: computeLogits(tf, first.layers, validation.features), labels: validation.labels, classes };
  const temperature = fitTemperature(unseen);
  return {
    ...first,
    stopped: first.layers,
    layers,
    retrained,
    temperature,
    unknown: chooseThreshold(scaledSoftmax(unseen.logits, temperature, classes), unseen.labels, classes),
    tunedOn: few ? 'cross_validation' : 'validation_images',
  };
}

async function crossValidatedLogits(
  tf: TensorFlow,
  input: TrainingImages & { readonly classes: number; readonly lastEpoch: number; readonly signal?: AbortSignal },
  hyperparameters: Hyperparameters,
): Promise<LabelledLogits> {
  const { labels, classes } = input;
  const total = samplesOf(input).labels.length;
  const { logits } = await crossValidate(tf, {
    ...input,
    folds: stratifiedFolds(labels, FOLDS, seededRandom(hyperparameters.seed, FOLDING)),
    // The default decay is inversely proportional to the number of samples; folds train on fewer.
    hyperparametersFor: (samples) => ({
      ...hyperparameters,
      weightDecay: (hyperparameters.weightDecay * total) / samples,
    }),
  });
  return { logits, labels, classes };
}
