import { type LastStage, readLastStage } from '../../convert/transfer/last-stage.ts';
import type { FineTuneBackbone } from '../../convert/transfer/layered-network.ts';
import type { TensorFlow } from '../../runtime/tensorflow.ts';
import type { DatasetFeatures, SampleSource, sampleSources } from '../features/dataset-features.ts';
import { type Samples, samplesOf } from '../features/feature-set.ts';
import type { StageMaps } from '../features/stage-maps.ts';
import { fitTemperature, scaledSoftmax } from '../head/calibration.ts';
import { crossEntropy } from '../head/cross-entropy.ts';
import { computeLogits, type DenseLayer } from '../head/dense-layers.ts';
import type { Head } from '../head/head.ts';
import { argmaxRows, countCorrect } from '../head/softmax.ts';
import { fitStandardization } from '../head/standardization.ts';
import { chooseThreshold } from '../head/threshold.ts';
import type { Epoch } from '../head/training-loop.ts';
import type { Judged } from './joint-descent.ts';
import { type LastStageResult, tryLastStage } from './last-stage-result.ts';
import { mapReader, type StageHyperparameters, type StageSamples, stageFeatures } from './train-last-stage.ts';

/** Where the last stage and the maps that enter it come from. */
export interface StageSource {
  readonly backbone: FineTuneBackbone;
  readonly maps: StageMaps;
  /** The images that the samples come from. */
  readonly sources: ReturnType<typeof sampleSources>;
}

/** Input of `deepen`. */
export interface DeepenInput {
  readonly source: StageSource;
  /** Features of the layers that the head reads. */
  readonly features: DatasetFeatures;
  /** Whether the head was trained on augmented copies too. */
  readonly augmented: boolean;
  readonly head: Head;
  /** The layers of the head to begin with, which no validation image has changed. */
  readonly start: readonly DenseLayer[];
  readonly labelSmoothing: number;
  readonly stage: StageHyperparameters;
  readonly classes: number;
  readonly onEpoch: (epoch: Epoch) => void;
  readonly onStep?: (done: number) => void;
}

/** A head with a trained last stage, or the head as it was. */
export interface Deepened {
  readonly head: Head;
  /** Features as the published network computes them. */
  readonly features: DatasetFeatures;
  readonly result: LastStageResult;
}

/** Trains the last stage of the backbone together with a trained head; keeps the head alone where that is no better. */
export async function deepen(tf: TensorFlow, input: DeepenInput): Promise<Deepened> {
  const { source, features, head, start, classes, labelSmoothing } = input;
  const stage = await readLastStage(source.backbone, features.layers.length);
  const train = samplesOf({ ...features.train, augmented: input.augmented });
  const samples = stageSamples(train, source.sources.train, source.maps, classes, labelSmoothing);
  const rows = Int32Array.from(train.labels, (_, row) => row);
  const { loss, correct } = samples.judge(computeLogits(tf, start, train.features), rows);
  const { result, better } = await tryLastStage(
    tf,
    {
      stage,
      head: start,
      standardization: fitStandardization(train.features, train.features.length / train.labels.length),
      train: samples,
      validation: stageSamples(features.validation, source.sources.validation, source.maps, classes),
      alone: { loss, accuracy: correct / samples.count },
      onEpoch: input.onEpoch,
      ...(input.onStep && { onStep: input.onStep }),
    },
    input.stage,
  );
  if (better === undefined) return { head, features, result };
  const computed = await computedFeatures(tf, better.stage, input);
  const { validation } = computed;
  const logits = computeLogits(tf, better.layers, validation.features);
  const temperature = fitTemperature({ logits, labels: validation.labels, classes });
  return {
    head: {
      ...head,
      layers: better.layers,
      retrained: false,
      temperature,
      unknown: chooseThreshold(scaledSoftmax(logits, temperature, classes), validation.labels, classes),
      tunedOn: 'validation_images',
    },
    features: computed,
    result,
  };
}

/** The features of all images as a trained stage computes them. Those of augmented copies are not needed any more. */
async function computedFeatures(
  tf: TensorFlow,
  stage: LastStage,
  { features, source: { maps, sources } }: DeepenInput,
): Promise<DatasetFeatures> {
  const { train, validation, test } = features;
  const compute = (matrix: Float32Array, count: number, of: readonly SampleSource[]) =>
    stageFeatures(tf, stage, { count, features: matrix, readMaps: mapReader(of, maps) });
  const { copies: _, ...set } = train.set;
  // The features of other images were computed without the trained stage.
  const { negatives: __, ...own } = features;
  return {
    ...own,
    train: { ...train, set: { ...set, originals: await compute(set.originals, train.labels.length, sources.train) } },
    validation: {
      ...validation,
      features: await compute(validation.features, validation.labels.length, sources.validation),
    },
    test: { ...test, features: await compute(test.features, test.labels.length, sources.test) },
  };
}

/** Labelled samples with their maps and the loss of their labels. */
function stageSamples(
  { features, labels, weights }: Samples,
  sources: readonly SampleSource[],
  maps: StageMaps,
  classes: number,
  labelSmoothing = 0,
): StageSamples {
  const judge = (logits: Float32Array, rows: Int32Array): Judged => {
    const wanted = rows.map((row) => labels[row] ?? 0);
    const own = Float32Array.from(rows, (row) => weights?.[row] ?? 1);
    const { loss, gradient } = crossEntropy(logits, classes, wanted, own, labelSmoothing);
    return { loss, gradient, correct: countCorrect(argmaxRows(logits, classes), wanted) };
  };
  return { count: labels.length, features, readMaps: mapReader(sources, maps), judge };
}
