import { seededRandom } from '../../common/random.ts';
import { pixels } from '../../convert/graph/ir.ts';
import { type LastStage, readLastStage } from '../../convert/transfer/last-stage.ts';
import type { TensorFlow } from '../../runtime/tensorflow.ts';
import type { SampleSource } from '../features/dataset-features.ts';
import { fineTuneBackbone } from '../features/feature-network.ts';
import { samplesOf } from '../features/feature-set.ts';
import { computeLogits, createLayers, type DenseLayer } from '../head/dense-layers.ts';
import { defaultHyperparameters, type Hyperparameters } from '../head/hyperparameters.ts';
import { argmaxRows } from '../head/softmax.ts';
import { fitStandardization } from '../head/standardization.ts';
import type { Epoch } from '../head/training-loop.ts';
import { type LastStageResult, tryLastStage } from '../last-stage/last-stage-result.ts';
import { stageHyperparameters } from '../last-stage/stage-hyperparameters.ts';
import {
  mapReader,
  type StageSamples,
  type StageTraining,
  stageFeatures,
  type TrainLastStageInput,
  trainLastStage,
} from '../last-stage/train-last-stage.ts';
import type { DistillationTask } from '../training-messages.ts';
import { type OnProgress, stageProgress } from '../training-progress.ts';
import type { DistillationData } from './distillation-data.ts';
import { distillationLoss, topFiveAgreement } from './soft-targets.ts';

/** A trained student. */
export interface TrainedStudent {
  readonly layers: readonly DenseLayer[];
  readonly hyperparameters: Hyperparameters;
  /** Of the head alone. */
  readonly history: readonly Epoch[];
  readonly bestEpoch: number;
  readonly lastStage: LastStageResult | undefined;
  /** On the test pictures. */
  readonly test: StudentTest;
}

/** How a student's answers compare with its teacher's. Shares are 0..1. */
export interface StudentTest {
  readonly images: number;
  readonly agreement: number;
  readonly top5: number;
  /** Share of the teacher's most common class. */
  readonly mostCommon: number;
  /** Mean divergence at temperature 1, in nats. */
  readonly divergence: number;
}

/** A stage without layers, for the training of a head alone. */
const NO_STAGE: LastStage = { entry: pixels([1, 1]), nodes: [], outputs: [], weights: new Map() };

/** Trains a new head on the teacher's answers, then the last stage with it where that was asked for; tests both. */
export async function trainStudent(
  tf: TensorFlow,
  { options, labels, student }: DistillationTask,
  { features, answers, sources, maps }: DistillationData,
  onProgress: OnProgress,
): Promise<TrainedStudent> {
  const classes = labels.length;
  const samples = (
    matrix: Float32Array,
    targets: Float32Array,
    of: readonly SampleSource[],
    withMaps: boolean,
  ): StageSamples => ({
    count: targets.length / classes,
    features: matrix,
    readMaps: withMaps && maps ? mapReader(of, maps) : () => new Float32Array(),
    judge: (logits, rows) => distillationLoss(logits, takeRows(targets, rows, classes), classes, options.temperature),
  });
  const train = samplesOf({ ...features.train, augmented: true }).features;
  const wanted = samplesOf({ ...answers.train, augmented: true }).features;
  const dimension = features.train.set.dimension;
  const standardization = fitStandardization(train, dimension);
  const count = wanted.length / classes;
  const defaults = defaultHyperparameters(count, dimension, options.seed);
  const hyperparameters = { ...defaults, epochs: options.epochs ?? defaults.epochs };
  const inputOf = (
    stage: LastStage,
    head: readonly DenseLayer[],
    withMaps: boolean,
  ): Omit<TrainLastStageInput, 'alone'> => ({
    stage,
    head,
    standardization,
    train: samples(train, wanted, sources.train, withMaps),
    validation: samples(features.validation.features, answers.validation.features, sources.validation, withMaps),
  });

  const layers = createLayers([dimension, classes], seededRandom(options.seed));
  const untrained = distillationLoss(new Float32Array(wanted.length), wanted, classes, options.temperature);
  const head = await trainLastStage(
    tf,
    {
      ...inputOf(NO_STAGE, layers, false),
      alone: { loss: untrained.loss, accuracy: untrained.correct / count },
      ...stageProgress(onProgress, 'training'),
    },
    { ...hyperparameters, headRate: hyperparameters.learningRate },
  );
  const deep =
    maps === undefined
      ? undefined
      : await tryLastStage(
          tf,
          {
            ...inputOf(await readLastStage(fineTuneBackbone(student), features.layers.length), head.layers, true),
            alone: trainingFigures(head),
            ...stageProgress(onProgress, 'training_last_stage'),
          },
          stageHyperparameters(count, hyperparameters, options),
        );
  onProgress({ phase: 'evaluating' });
  const published = deep?.better?.layers ?? head.layers;
  const test = samples(features.test.features, answers.test.features, sources.test, deep !== undefined);
  const computed = deep?.better ? await stageFeatures(tf, deep.better.stage, test) : features.test.features;
  return {
    layers: published,
    hyperparameters,
    history: head.history,
    bestEpoch: head.bestEpoch,
    lastStage: deep?.result,
    test: testOf(computeLogits(tf, published, computed), answers.test.features, classes),
  };
}

function trainingFigures({ history, bestEpoch }: StageTraining) {
  const best = history.find(({ epoch }) => epoch === bestEpoch);
  return { loss: best?.loss ?? 0, accuracy: best?.accuracy ?? 0 };
}

function testOf(logits: Float32Array, targets: Float32Array, classes: number): StudentTest {
  const { loss, correct } = distillationLoss(logits, targets, classes, 1);
  const counts = new Map<number, number>();
  for (const label of argmaxRows(targets, classes)) counts.set(label, (counts.get(label) ?? 0) + 1);
  const images = targets.length / classes;
  return {
    images,
    agreement: correct / images,
    top5: topFiveAgreement(logits, targets, classes),
    mostCommon: Math.max(...counts.values()) / images,
    divergence: loss,
  };
}

function takeRows(matrix: Float32Array, rows: Int32Array, width: number): Float32Array {
  const taken = new Float32Array(rows.length * width);
  rows.forEach((row, i) => {
    taken.set(matrix.subarray(row * width, (row + 1) * width), i * width);
  });
  return taken;
}
