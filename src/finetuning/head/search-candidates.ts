import type { FeatureSet } from '../features/feature-set.ts';
import { defaultHyperparameters, type Hyperparameters } from './hyperparameters.ts';

/** One way to train. The factors multiply the default hyperparameters. */
export interface Candidate {
  /** Name of the feature set. */
  readonly features: string;
  /** Whether to train on the augmented copies too. */
  readonly augmented: boolean;
  readonly hiddenUnits: readonly number[];
  readonly learningRateFactor: number;
  readonly weightDecayFactor: number;
}

/** Returns the variations of the best candidate so far that one stage of a search tries. */
export type Stage = (best: Candidate) => Candidate[];

/** Folds of the cross-validation. */
export const SEARCH_FOLDS = 3;
const WEIGHT_DECAYS = [0.3, 2.5];
const LEARNING_RATES = [0.3, 3];
const HIDDEN_UNITS = [[128]];
/** Dropout of candidates with hidden layers. */
const DROPOUT = 0.3;

/** The candidate that a search starts from: the first set with its copies, and the default hyperparameters. */
export function startCandidate(set: FeatureSet, fixed: Partial<Hyperparameters>): Candidate {
  return {
    features: set.name,
    augmented: set.copies !== undefined,
    hiddenUnits: fixed.hiddenUnits ?? [],
    learningRateFactor: 1,
    weightDecayFactor: 1,
  };
}

/**
 * The stages of a search, in order: feature set and augmentation together, weight decay, learning rate, hidden units.
 * Hyperparameters in `fixed` have no stage.
 */
export function stagesOf(sets: readonly FeatureSet[], fixed: Partial<Hyperparameters>): Stage[] {
  const inputs = sets.flatMap(({ name, copies }) =>
    (copies === undefined ? [false] : [true, false]).map((augmented) => ({ features: name, augmented })),
  );
  // The first input is that of the start candidate.
  const stages: Stage[] = [(best) => inputs.slice(1).map((input) => ({ ...best, ...input }))];
  if (fixed.weightDecay === undefined) {
    stages.push((best) => WEIGHT_DECAYS.map((weightDecayFactor) => ({ ...best, weightDecayFactor })));
  }
  if (fixed.learningRate === undefined) {
    stages.push((best) => LEARNING_RATES.map((learningRateFactor) => ({ ...best, learningRateFactor })));
  }
  if (fixed.hiddenUnits === undefined) {
    stages.push((best) => HIDDEN_UNITS.map((widths) => ({ ...best, hiddenUnits: widths })));
  }
  return stages;
}

/** Hyperparameters of a candidate for `samples` training samples of `dimension` features. */
export function hyperparametersOf(
  candidate: Candidate,
  fixed: Partial<Hyperparameters>,
  seed: number,
  samples: number,
  dimension: number,
): Hyperparameters {
  const defaults = defaultHyperparameters(samples, dimension, seed);
  return {
    ...defaults,
    learningRate: defaults.learningRate * candidate.learningRateFactor,
    weightDecay: defaults.weightDecay * candidate.weightDecayFactor,
    hiddenUnits: candidate.hiddenUnits,
    dropout: candidate.hiddenUnits.length > 0 ? DROPOUT : 0,
    ...fixed,
  };
}
