import { seededRandom } from '../../common/random.ts';
import type { TensorFlow } from '../../runtime/tensorflow.ts';
import type { FeatureSet } from '../features/feature-set.ts';
import { crossValidate, stratifiedFolds } from './cross-validation.ts';
import type { Hyperparameters } from './hyperparameters.ts';
import { type Candidate, hyperparametersOf, SEARCH_FOLDS, stagesOf, startCandidate } from './search-candidates.ts';

/** A candidate and its score. */
export interface Trial extends Candidate {
  /** Cross-validated accuracy, over the images. */
  readonly accuracy: number;
  /** Cross-validated loss, in nats. */
  readonly loss: number;
  /** Whether it replaced the best candidate so far; true for the first trial. */
  readonly chosen: boolean;
}

/** Progress of a search. */
export interface SearchProgress {
  readonly trial: Trial;
  /** Number of trials so far. */
  readonly done: number;
  readonly total: number;
}

/** Result of a search. */
export interface SearchResult {
  /** The last trial that was chosen. */
  readonly best: Trial;
  /** The hyperparameters of the best trial, for training on all images. */
  readonly hyperparameters: Hyperparameters;
  readonly trials: readonly Trial[];
  readonly folds: number;
}

/** Input of `searchHyperparameters`. */
export interface SearchInput {
  readonly classes: number;
  /** Of the training images. */
  readonly labels: Int32Array;
  /** At least one; the search starts with the first. */
  readonly sets: readonly FeatureSet[];
  readonly seed: number;
  /** Hyperparameters that the user has set. Every trial uses them. */
  readonly fixed?: Partial<Hyperparameters>;
  /** Called after each trial. */
  readonly onTrial?: (progress: SearchProgress) => void;
  readonly signal?: AbortSignal;
}

/** Stream of the seed that draws the folds. */
const FOLDING = 4;

/** A trial and, for each image, whether it was predicted right. */
interface Attempt {
  readonly trial: Trial;
  readonly right: readonly boolean[];
}

/**
 * Searches for a feature set and hyperparameters that are better than the defaults, by stratified cross-validation,
 * one stage after the other. Every candidate of a stage is a variation of the best one when the stage began. A
 * candidate replaces the best one so far only if it is significantly better (for a weight decay: if it is better);
 * otherwise, with so many comparisons, luck would choose, and the result would be worse than the defaults.
 *
 * @throws the reason of `signal` when it is aborted
 */
export async function searchHyperparameters(tf: TensorFlow, input: SearchInput): Promise<SearchResult> {
  const { classes, labels, sets, seed, fixed = {}, onTrial, signal } = input;
  const folds = stratifiedFolds(labels, SEARCH_FOLDS, seededRandom(seed, FOLDING));
  const [first] = sets;
  if (first === undefined) throw new Error('a search needs at least one feature set');
  const setOf = ({ features }: Candidate): FeatureSet => sets.find(({ name }) => name === features) ?? first;
  const start = startCandidate(first, fixed);
  const stages = stagesOf(sets, fixed);
  const total = 1 + stages.reduce((sum, stage) => sum + stage(start).length, 0);

  const trials: Trial[] = [];
  const attempt = async (candidate: Candidate, incumbent?: Attempt): Promise<Attempt> => {
    const { right, loss } = await crossValidate(tf, {
      set: setOf(candidate),
      augmented: candidate.augmented,
      labels,
      classes,
      folds,
      hyperparametersFor: (samples, dimension) => hyperparametersOf(candidate, fixed, seed, samples, dimension),
      ...(signal && { signal }),
    });
    const trial = {
      ...candidate,
      accuracy: right.filter(Boolean).length / right.length,
      loss,
      chosen: incumbent === undefined || isBetter(right, incumbent.right, marginFor(candidate, incumbent.trial)),
    };
    trials.push(trial);
    onTrial?.({ trial, done: trials.length, total });
    return { trial, right };
  };

  let best = await attempt(start);
  for (const stage of stages) {
    for (const candidate of stage(best.trial)) {
      const next = await attempt(candidate, best);
      if (next.trial.chosen) best = next;
    }
  }
  const set = setOf(best.trial);
  const samples = labels.length + (best.trial.augmented ? (set.copies?.sources.length ?? 0) : 0);
  return {
    best: best.trial,
    hyperparameters: hyperparametersOf(best.trial, fixed, seed, samples, set.dimension),
    trials,
    folds: SEARCH_FOLDS,
  };
}

/** 95 % quantile of the standard normal distribution: 5 % significance, one-sided. */
const SIGNIFICANT = 1.645;

/**
 * By how many standard errors a candidate must be better. For a weight decay 0 suffices: accuracy changes smoothly
 * with it, so luck has little to choose from, and the best of a few values measured better than the default.
 */
function marginFor(candidate: Candidate, best: Candidate): number {
  return candidate.weightDecayFactor === best.weightDecayFactor ? SIGNIFICANT : 0;
}

/**
 * McNemar's test (1947) with continuity correction, one-sided: whether more images became right than wrong by `margin`
 * standard errors.
 */
function isBetter(right: readonly boolean[], incumbent: readonly boolean[], margin: number): boolean {
  const won = right.filter((value, i) => value && !incumbent[i]).length;
  const lost = right.filter((value, i) => !value && incumbent[i]).length;
  return won - lost - 1 > margin * Math.sqrt(won + lost);
}
