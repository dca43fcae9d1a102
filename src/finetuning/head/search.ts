import type { TensorFlow } from '../../runtime/tensorflow.ts';
import type { FeatureSet } from '../features/feature-set.ts';
import { crossValidate } from './cross-validation.ts';
import { stratifiedFolds } from './folds.ts';
import { defaultHeadSettings, type HeadSettings } from './head-settings.ts';
import { seededRandom } from './random.ts';

/** How thoroughly to search: `quick` fits a head about 30 times, `thorough` about 120 times. */
export const SEARCH_LEVELS = ['quick', 'thorough'] as const;
export type SearchLevel = (typeof SEARCH_LEVELS)[number];

/** One way to train; the factors multiply the default settings. */
export interface Candidate {
  /** Name of the feature set. */
  readonly features: string;
  /** Whether the augmented copies are trained on. */
  readonly augmented: boolean;
  readonly hiddenUnits: readonly number[];
  readonly learningRateFactor: number;
  readonly weightDecayFactor: number;
}

/** A candidate and its score. */
export interface Trial extends Candidate {
  /** Cross-validated, over the images. */
  readonly accuracy: number;
  /** Cross-validated, in nats. */
  readonly loss: number;
  /** Whether it was the best so far, by more than chance. */
  readonly chosen: boolean;
}

/** Where a search stands. */
export interface SearchProgress {
  readonly trial: Trial;
  /** From 1. */
  readonly done: number;
  readonly total: number;
}

/** What was tried and what to train with. */
export interface SearchResult {
  /** The last trial that was chosen. */
  readonly best: Trial;
  /** For training with the best candidate on all images. */
  readonly settings: HeadSettings;
  readonly trials: readonly Trial[];
  readonly folds: number;
}

/** What a search needs. */
export interface SearchInput {
  readonly level: SearchLevel;
  readonly classes: number;
  /** Of the training images. */
  readonly labels: Int32Array;
  /** At least one; the first is where the search starts. */
  readonly sets: readonly FeatureSet[];
  readonly seed: number;
  /** Settings that the user fixed: they are used in every trial, and not searched. */
  readonly fixed?: Partial<HeadSettings>;
  readonly onTrial?: (progress: SearchProgress) => void;
  readonly signal?: AbortSignal;
}

/** What a level varies, around the best candidate so far. */
interface Plan {
  readonly folds: number;
  readonly weightDecay: readonly number[];
  readonly learningRate: readonly number[];
  readonly hiddenUnits: readonly (readonly number[])[];
}

const PLANS: Readonly<Record<SearchLevel, Plan>> = {
  quick: { folds: 3, weightDecay: [0.3, 2.5], learningRate: [0.3, 3], hiddenUnits: [[128]] },
  thorough: {
    folds: 5,
    weightDecay: [0.03, 0.1, 0.3, 2.5, 6],
    learningRate: [0.1, 0.3, 3, 10],
    hiddenUnits: [[64], [256], [512], [256, 64]],
  },
};

/** Dropout of the hidden layers that are tried. */
const DROPOUT = 0.3;
/** Stream of the seed that draws the folds. */
const FOLDS = 4;

/**
 * Looks for better settings than the defaults by stratified cross-validation on cached features, one thing after the
 * other: layer and augmentation together, weight decay, learning rate, hidden units. A candidate replaces the best one so
 * far only when it is right on significantly more images (weight decay aside); else the many comparisons would choose by luck, and a search
 * would do worse than none.
 * @throws the signal's reason when it is aborted
 */
export async function searchSettings(tf: TensorFlow, input: SearchInput): Promise<SearchResult> {
  const { level, classes, labels, sets, seed, onTrial, signal } = input;
  const fixed = input.fixed ?? {};
  const plan = PLANS[level];
  const folds = stratifiedFolds(labels, plan.folds, seededRandom(seed, FOLDS));
  const [first] = sets;
  if (first === undefined) throw new Error('a search needs at least one set of features');
  const start: Candidate = {
    features: first.name,
    augmented: first.copies !== undefined,
    hiddenUnits: fixed.hiddenUnits ?? [],
    learningRateFactor: 1,
    weightDecayFactor: 1,
  };
  const stages = stagesOf(plan, sets, fixed);
  const total = 1 + stages.reduce((sum, stage) => sum + stage(start).length, 0);

  const trials: Trial[] = [];
  let best: Attempt = await attempt(start);
  for (const stage of stages) {
    // All of a stage's candidates are variations of the one that the stage began with.
    for (const candidate of stage(best.trial)) {
      const next = await attempt(candidate, best);
      if (next.trial.chosen) best = next;
    }
  }
  const set = sets.find(({ name }) => name === best.trial.features) ?? first;
  const samples = labels.length + (best.trial.augmented ? (set.copies?.sources.length ?? 0) : 0);
  return {
    best: best.trial,
    settings: settingsOf(best.trial, fixed, seed, samples, set.dimension),
    trials,
    folds: plan.folds,
  };

  async function attempt(candidate: Candidate, incumbent?: Attempt): Promise<Attempt> {
    const set = sets.find(({ name }) => name === candidate.features) ?? first;
    if (set === undefined) throw new Error('a search needs at least one set of features');
    const { right, loss } = await crossValidate(tf, {
      set,
      augmented: candidate.augmented,
      labels,
      classes,
      folds,
      settingsFor: (samples, dimension) => settingsOf(candidate, fixed, seed, samples, dimension),
      ...(signal && { signal }),
    });
    const accuracy = right.filter(Boolean).length / right.length;
    const trial = {
      ...candidate,
      accuracy,
      loss,
      chosen: incumbent === undefined || isBetter(right, incumbent.right, marginFor(candidate, incumbent.trial)),
    };
    trials.push(trial);
    onTrial?.({ trial, done: trials.length, total });
    return { trial, right };
  }
}

interface Attempt {
  readonly trial: Trial;
  /** Whether each image was answered right. */
  readonly right: readonly boolean[];
}

type Stage = (best: Candidate) => Candidate[];

function stagesOf(plan: Plan, sets: readonly FeatureSet[], fixed: Partial<HeadSettings>): Stage[] {
  const inputs = sets.flatMap(({ name, copies }) =>
    (copies === undefined ? [false] : [true, false]).map((augmented) => ({ features: name, augmented })),
  );
  const stages: Stage[] = [
    // The first is where the search starts.
    (best) => inputs.slice(1).map((other) => ({ ...best, ...other })),
  ];
  if (fixed.weightDecay === undefined) {
    stages.push((best) => plan.weightDecay.map((factor) => ({ ...best, weightDecayFactor: factor })));
  }
  if (fixed.learningRate === undefined) {
    stages.push((best) => plan.learningRate.map((factor) => ({ ...best, learningRateFactor: factor })));
  }
  if (fixed.hiddenUnits === undefined) {
    stages.push((best) => plan.hiddenUnits.map((hiddenUnits) => ({ ...best, hiddenUnits })));
  }
  return stages;
}

function settingsOf(
  candidate: Candidate,
  fixed: Partial<HeadSettings>,
  seed: number,
  samples: number,
  dimension: number,
): HeadSettings {
  const defaults = defaultHeadSettings(samples, dimension, seed);
  return {
    ...defaults,
    learningRate: defaults.learningRate * candidate.learningRateFactor,
    weightDecay: defaults.weightDecay * candidate.weightDecayFactor,
    hiddenUnits: candidate.hiddenUnits,
    dropout: candidate.hiddenUnits.length > 0 ? DROPOUT : 0,
    ...fixed,
  };
}

/** One-sided 5 % quantile of the standard normal distribution. */
const SIGNIFICANT = 1.645;

/**
 * How many standard errors a candidate must be better by. A handful of weight decays on a smooth path leaves luck little
 * to choose from, and the best of them is measurably the better choice; everything else must prove itself.
 */
function marginFor(candidate: Candidate, best: Candidate): number {
  return candidate.weightDecayFactor === best.weightDecayFactor ? SIGNIFICANT : 0;
}

/** McNemar's test (1947) with the continuity correction, one-sided: are more images won than lost by chance? */
function isBetter(right: readonly boolean[], incumbent: readonly boolean[], margin: number): boolean {
  const won = right.filter((value, i) => value && !incumbent[i]).length;
  const lost = right.filter((value, i) => !value && incumbent[i]).length;
  return won - lost - 1 > margin * Math.sqrt(won + lost);
}
