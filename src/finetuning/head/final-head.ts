import type { TensorFlow } from '../../runtime/tensorflow.ts';
import { joinImages, samplesOf, type TrainingImages } from '../features/feature-set.ts';
import { fitTemperature, type LabelledLogits } from './calibration.ts';
import { softmaxRows } from './cross-entropy.ts';
import { crossValidate } from './cross-validation.ts';
import { stratifiedFolds } from './folds.ts';
import { type Epoch, type Head, headLogits, type Samples, trainHead } from './head.ts';
import type { HeadSettings } from './head-settings.ts';
import { seededRandom } from './random.ts';
import { chooseThreshold, type UnknownThreshold } from './threshold.ts';
import { FEW_IMAGES } from './weight-decay.ts';

/** What a head is made from. */
export interface FinalHeadInput {
  readonly images: TrainingImages;
  /** Images that decide when to stop; there may be none. */
  readonly validation: Samples;
  readonly classes: number;
  /** Told of the training that the validation images watch. */
  readonly onEpoch?: (epoch: Epoch) => void;
  /** Told when that is over. */
  readonly onTrained?: () => void;
  readonly signal?: AbortSignal;
}

/** Which answers temperature and threshold were chosen on. */
export type TunedOn = 'cross_validation' | 'validation_images';

/** A head as it is published, but for its temperature, which is not folded in. */
export interface FinalHead extends Head {
  /** Whether the validation images were trained on too, once they had said for how long. */
  readonly retrained: boolean;
  /** What the logits are to be divided by. */
  readonly temperature: number;
  readonly unknown: UnknownThreshold;
  readonly tunedOn: TunedOn;
}

/**
 * Epochs on all images, as a share of those that the first training took. Measured over 22 splits of three data sets, to go on
 * from the first training's layers for so long is as good as to train anew for all of its epochs.
 */
const CONTINUED_SHARE = 1 / 3;
const FOLDS = 3;
/** Stream of the seed that draws the folds. */
const FOLDING = 6;

/**
 * Trains a head until the validation images say stop, and then goes on with all images: where there are few, those fifteen
 * in a hundred are worth a point of accuracy. History and best epoch are of the first training.
 *
 * Temperature and threshold need answers to images that the head has not seen. Of few images the validation part is a
 * handful, so that the answers come from cross-validation with the same settings and number of epochs; of many, from the
 * first training. Measured on 60 images a class of CIFAR-10, three backbones and two splits, with both the calibration error
 * on test images falls from 7.9 to 6.5 %, and the likelihood grows.
 * @throws the signal's reason when it is aborted
 */
export async function trainFinalHead(
  tf: TensorFlow,
  { images, validation, classes, onEpoch, onTrained, signal }: FinalHeadInput,
  settings: HeadSettings,
): Promise<FinalHead> {
  const common = { classes, ...(signal && { signal }) };
  const first = await trainHead(
    tf,
    { ...common, train: samplesOf(images), validation, ...(onEpoch && { onEpoch }) },
    settings,
  );
  onTrained?.();
  const retrained = validation.labels.length > 0;
  const all = retrained ? joinImages(images, validation) : images;
  const lastEpoch = first.bestEpoch;
  const again = { ...settings, epochs: Math.ceil(lastEpoch * CONTINUED_SHARE) };
  const { layers } = retrained
    ? await trainHead(tf, { ...common, train: samplesOf(all), start: first.layers }, again)
    : first;
  const few = all.labels.length <= FEW_IMAGES;
  const unseen = few
    ? await crossValidated(tf, { ...all, ...common, lastEpoch }, settings)
    : { logits: headLogits(tf, first.layers, validation.features), labels: validation.labels, classes };
  const temperature = fitTemperature(unseen);
  return {
    ...first,
    layers,
    retrained,
    temperature,
    unknown: chooseThreshold(probabilities(unseen, temperature), unseen.labels, classes),
    tunedOn: few ? 'cross_validation' : 'validation_images',
  };
}

async function crossValidated(
  tf: TensorFlow,
  input: TrainingImages & { readonly classes: number; readonly lastEpoch: number; readonly signal?: AbortSignal },
  settings: HeadSettings,
): Promise<LabelledLogits> {
  const { labels, classes } = input;
  const total = samplesOf(input).labels.length;
  const { logits } = await crossValidate(tf, {
    ...input,
    folds: stratifiedFolds(labels, FOLDS, seededRandom(settings.seed, FOLDING)),
    // Fewer samples pull at the weights less: the decay that stands against them is larger by as much.
    settingsFor: (samples) => ({ ...settings, weightDecay: (settings.weightDecay * total) / samples }),
  });
  return { logits, labels, classes };
}

function probabilities({ logits, classes }: LabelledLogits, temperature: number): Float32Array {
  return softmaxRows(
    logits.map((logit) => logit / temperature),
    classes,
  );
}
