import type { Augmentation } from '../../image/augment.ts';
import type { TensorFlow } from '../../runtime/tensorflow.ts';
import type { DatasetImage } from '../dataset/inspected-image.ts';
import type { TrainingModel } from '../features/feature-network.ts';
import { areFew } from '../head/few-images.ts';
import type { Hyperparameters } from '../head/hyperparameters.ts';
import { evaluateCandidate } from './evaluate-candidate.ts';
import { measureLatencies } from './latency.ts';
import { type Preference, paretoFront, preferred } from './pareto-front.ts';
import { copiesOf, type FeatureSource, OutOfTime, RungFeatures, variedBy } from './rung-features.ts';
import { type Rung, rungImages, rungsOf } from './rungs.ts';
import { drawCandidates, type SearchCandidate } from './space.ts';
import { type RungScore, type RungTrial, successiveHalving } from './successive-halving.ts';

/** A trial in the report. */
export interface SearchTrial extends Omit<RungTrial<SearchCandidate>, 'right'> {
  /** Training images of the rung. */
  readonly images: number;
  /** Milliseconds for one image on one thread: the backbone, measured side by side with the others. */
  readonly latency: number;
  /** Whether no trial of the last rung is more accurate without being slower. */
  readonly front: boolean;
  readonly chosen: boolean;
}

/** How a search went. */
export interface AutomaticSearch {
  readonly preference: Preference;
  readonly budgetMinutes: number;
  /** Whether candidates were left out for lack of time. */
  readonly outOfTime: boolean;
  readonly rungs: readonly Rung[];
  readonly trials: readonly SearchTrial[];
  /** Backbones that could not be used. */
  readonly leftOut: readonly { readonly backbone: string; readonly reason: string }[];
}

/** What the search chose. */
export interface ChosenModel {
  readonly backbone: TrainingModel;
  readonly candidate: SearchCandidate;
  /** How the copies of the candidate are made. */
  readonly augmentation: Augmentation;
  readonly search: AutomaticSearch;
}

/** Progress of a search. */
export interface AutomaticProgress {
  readonly done: number;
  readonly total: number;
  /** From 1. */
  readonly rung: number;
  readonly rungs: number;
  /** Accuracy of the trial, and the best one of its rung so far. */
  readonly accuracy: number;
  readonly best: number;
}

/** Input of `searchAutomatically`. */
export interface AutomaticSearchInput extends Omit<FeatureSource, 'lastOnly'> {
  /** Of the data set. The test images are only read when the search has ended. */
  readonly images: readonly DatasetImage[];
  readonly classes: number;
  /** At least one; the first is the default. */
  readonly backbones: readonly TrainingModel[];
  readonly layers: 'last' | 'all' | undefined;
  readonly fixed: Partial<Hyperparameters>;
  readonly preference: Preference;
  readonly budgetMinutes: number;
  /** When the training must end, in milliseconds since 1970. The default is tried all the same. */
  readonly deadline: number;
  /** Passes of the network after the search, beside those for images and their copies. */
  readonly furtherPasses: (copies: number) => number;
  readonly onTrial: (progress: AutomaticProgress) => void;
}

/** Computing features takes so many milliseconds per image more than the network alone, to decode or vary it. */
const DECODING_MS = 2;
/** One-sided 5 % of the normal distribution. */
const SIGNIFICANT = 1.645;

/**
 * Chooses backbone, layers, copies, and the structure and hyperparameters of the head, by successive halving on
 * cross-validated features of the training images. It stops in time for the chosen head to be trained by the deadline.
 * The same seed and images give the same trials; which of them the budget allows depends on the machine.
 */
export async function searchAutomatically(tf: TensorFlow, input: AutomaticSearchInput): Promise<ChosenModel> {
  const { images, classes, augmentation, seed, fixed, deadline } = input;
  const training = images.filter(({ split }) => split === 'train');
  const held = images.filter(({ split }) => split === 'validation');
  const { byName: latencies, failed } = await measureLatencies(input.backbones);
  const backbones = input.backbones.filter(({ name }) => latencies.has(name));
  const [first] = backbones;
  if (first === undefined) throw new Error(failed[0]?.reason ?? 'there is no backbone');
  const candidates = drawCandidates({
    backbones: backbones.map(({ name }) => name),
    few: areFew(training.length + held.length, classes),
    copies: augmentation.copies,
    mirrored: augmentation.horizontalFlip,
    layers: input.layers,
    fixed,
    seed,
  });
  const backboneOf = ({ backbone }: SearchCandidate): TrainingModel =>
    backbones.find(({ name }) => name === backbone) ?? first;
  const rungs = rungsOf(training.length, classes);
  const features = new RungFeatures({ ...input, lastOnly: input.layers === 'last' });
  const latencyOf = ({ backbone }: SearchCandidate): number => latencies.get(backbone) ?? 0;
  /** Milliseconds to compute the features of so many images, and of the copies of so many. */
  const extractionTime = (candidate: SearchCandidate, originals: number, copied: number): number =>
    (originals + copied * copiesOf(candidate.copies, augmentation)) * (latencyOf(candidate) + DECODING_MS);
  /** Milliseconds of the last evaluation of each candidate, features left out. */
  const evaluationTimes = new Map<SearchCandidate, number>();
  let current = 0;
  let outOfTime = false;
  let best = 0;

  const evaluate = async (candidate: SearchCandidate, index: number): Promise<RungScore | undefined> => {
    const rung = rungs[index];
    if (rung === undefined) throw new Error(`there is no rung ${index}`);
    if (index !== current) await features.close();
    if (index !== current) best = 0;
    current = index;
    const backbone = backboneOf(candidate);
    const required = index === 0 && candidate === candidates[0];
    const growth = rung.images / (rungs[index - 1]?.images ?? rung.images);
    const expected = (evaluationTimes.get(candidate) ?? Math.max(0, ...evaluationTimes.values())) * growth;
    // What is left to do when this candidate is chosen.
    const left = images.length - rung.images + input.furtherPasses(copiesOf(candidate.copies, augmentation));
    const end =
      deadline -
      extractionTime(candidate, left, training.length - rung.images) -
      expected * (training.length / rung.images);
    const extraction = features.has(backbone, candidate.copies)
      ? 0
      : extractionTime(candidate, rung.images, rung.images);
    if (!required && Date.now() + expected + extraction > end) {
      outOfTime = true;
      return undefined;
    }
    try {
      const limit = required ? Number.POSITIVE_INFINITY : end;
      const chosen = rungImages(training, rung.images);
      const extracted = await features.get(backbone, candidate.copies, chosen, limit);
      const start = performance.now();
      const score = await evaluateCandidate(tf, {
        candidate,
        features: extracted,
        classes,
        folds: rung.folds,
        seed,
        fixed,
      });
      evaluationTimes.set(candidate, performance.now() - start);
      return score;
    } catch (thrown) {
      if (!(thrown instanceof OutOfTime)) throw thrown;
      outOfTime = true;
      return undefined;
    }
  };

  try {
    const defaults = new Map(candidates.slice(0, backbones.length).map((candidate) => [candidate.backbone, candidate]));
    const trials = await successiveHalving<SearchCandidate>({
      candidates,
      rungs: rungs.length,
      referenceOf: (candidate) => defaults.get(candidate.backbone) ?? candidate,
      evaluate,
      onTrial: (trial, done, total) => {
        best = Math.max(best, trial.accuracy);
        input.onTrial({ done, total, rung: trial.rung + 1, rungs: rungs.length, accuracy: trial.accuracy, best });
      },
    });
    const { front, chosen } = chooseTrial(trials, latencyOf, defaults, input.preference);
    const winner = chosen.candidate;
    return {
      backbone: backboneOf(winner),
      candidate: winner,
      augmentation: variedBy(winner.copies, augmentation),
      search: {
        preference: input.preference,
        budgetMinutes: input.budgetMinutes,
        outOfTime,
        rungs,
        trials: trials.map(({ right, ...trial }) => ({
          ...trial,
          images: right.length,
          latency: latencyOf(trial.candidate),
          front: front.some(({ candidate, rung }) => candidate === trial.candidate && rung === trial.rung),
          chosen: trial.candidate === winner && trial.rung === chosen.rung,
        })),
        leftOut: failed,
      },
    };
  } finally {
    await features.close();
  }
}

type FullTrial = RungTrial<SearchCandidate>;

/**
 * The front of the highest rung, and the trial that the preference takes. A candidate counts only if it is better than
 * the default of its own backbone by more than chance: with so many comparisons, luck would choose otherwise.
 */
export function chooseTrial(
  trials: readonly FullTrial[],
  latencyOf: (candidate: SearchCandidate) => number,
  defaults: ReadonlyMap<string, SearchCandidate>,
  preference: Preference,
): { readonly front: readonly FullTrial[]; readonly chosen: FullTrial } {
  const highest = Math.max(...trials.map(({ rung }) => rung));
  const finalists = trials.filter(({ rung }) => rung === highest);
  const counted = finalists.filter((trial) => {
    const usual = finalists.find(({ candidate }) => candidate === defaults.get(trial.candidate.backbone));
    return usual === undefined || usual === trial || isBetter(trial.right, usual.right);
  });
  const weighed = counted.map((trial) => ({ trial, accuracy: trial.accuracy, latency: latencyOf(trial.candidate) }));
  const front = paretoFront(weighed);
  return { front: front.map(({ trial }) => trial), chosen: preferred(front, preference).trial };
}

/** McNemar's test (1947), one-sided, with continuity correction. */
function isBetter(right: readonly boolean[], other: readonly boolean[]): boolean {
  const won = right.filter((value, i) => value && !other[i]).length;
  const lost = right.filter((value, i) => !value && other[i]).length;
  return won - lost - 1 > SIGNIFICANT * Math.sqrt(won + lost);
}
