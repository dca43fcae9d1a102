import type { Augmentation } from '../../image/augmentation.ts';
import type { TensorFlow } from '../../runtime/tensorflow.ts';
import type { TrainingModel } from '../features/feature-network.ts';
import { areFew } from '../head/few-images.ts';
import { chooseTrial } from './choice.ts';
import { measureLatencies } from './latency.ts';
import type { Preference } from './pareto-front.ts';
import { type FeatureSource, rungFeatures } from './rung-features.ts';
import { type Rung, rungsOf } from './rungs.ts';
import { SearchClock } from './search-clock.ts';
import type { SearchCandidate } from './space.ts';
import { successiveHalving } from './successive-halving.ts';
import { type TimedTrial, TrialRunner, type TrialRunnerInput } from './trial-runner.ts';

/** A trial in the report. */
export interface SearchTrial extends Omit<TimedTrial, 'right'> {
  /** Training images of the rung. */
  readonly images: number;
  /** Standard error of the accuracy. */
  readonly spread: number;
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
  /** When its head must be trained so that the rest ends on time, in milliseconds since 1970. */
  readonly trainBy: number;
  readonly search: AutomaticSearch;
}

/** Progress of a search. */
export interface AutomaticProgress {
  readonly done: number;
  /** About: how many candidates a later rung has depends on the earlier ones. */
  readonly total: number;
  /** From 1. */
  readonly rung: number;
  readonly rungs: number;
  /** Accuracy of the trial, and the best one of its rung so far. */
  readonly accuracy: number;
  readonly best: number;
}

/** Input of `searchAutomatically`. */
export interface AutomaticSearchInput
  extends FeatureSource,
    Omit<TrialRunnerInput, 'compute' | 'copies' | 'few' | 'latencyOf'> {
  /** At least one; the first is the default, whose features of all images are in the cache. */
  readonly backbones: readonly TrainingModel[];
  readonly budgetMinutes: number;
  /** When the training must end, in milliseconds since 1970. The default is tried all the same. */
  readonly deadline: number;
  readonly onTrial: (progress: AutomaticProgress) => void;
}

/**
 * Chooses backbone, layers, copies, and the structure and weight decay of the head, by successive halving of the
 * backbones: their heads are solved for on few images, then on more, then trained. Nothing starts that would not leave
 * the time for the training of the best candidate so far, by what its parts have cost until then.
 * The same seed and images give the same trials; which of them the budget allows depends on the machine.
 */
export async function searchAutomatically(tf: TensorFlow, input: AutomaticSearchInput): Promise<ChosenModel> {
  const { images, classes, augmentation, preference, budgetMinutes } = input;
  const training = images.filter(({ split }) => split === 'train').length;
  const held = images.filter(({ split }) => split === 'validation').length;
  const { byName: latencies, failed } = await measureLatencies(input.backbones);
  const latencyOf = (name: string): number => latencies.get(name) ?? 0;
  const [first, ...others] = input.backbones.filter(({ name }) => latencies.has(name));
  if (first === undefined) throw new Error(failed[0]?.reason ?? 'there is no backbone');
  const few = areFew(training + held, classes) && Object.keys(input.fixed).length === 0;
  const rungs = rungsOf(training, classes, few);
  // The fast ones first: they have the time if it does not suffice for all.
  const arms = [first, ...others.toSorted((a, b) => latencyOf(a.name) - latencyOf(b.name))];
  const clock = new SearchClock(input.deadline);
  const runner = new TrialRunner(tf, clock, {
    ...input,
    copies: augmentation.copies,
    few,
    latencyOf,
    compute: (wanted, isLate) => rungFeatures(input, wanted, isLate),
  });
  const bests = new Array<number>(rungs.length).fill(0);
  let expected = 0;
  const trials = await successiveHalving<TrainingModel, TimedTrial>({
    arms,
    rungs: rungs.length,
    evaluate: (backbone, index) => {
      const rung = rungs[index];
      if (rung === undefined) throw new Error(`there is no rung ${index}`);
      return runner.run(backbone, { ...rung, index }, ({ accuracy }, candidates) => {
        const done = runner.trials.length;
        const best = Math.max(bests[index] ?? 0, accuracy);
        bests[index] = best;
        expected = Math.max(expected, done, candidates * arms.length);
        input.onTrial({ done, total: expected, rung: index + 1, rungs: rungs.length, accuracy, best });
      });
    },
  });
  const { front, chosen } = chooseTrial(trials, ({ backbone }) => latencyOf(backbone), preference);
  const winner = chosen.candidate;
  return {
    backbone: arms.find(({ name }) => name === winner.backbone) ?? first,
    candidate: winner,
    augmentation: isTrainedOnCopies(winner) ? augmentation : { ...augmentation, copies: 0 },
    trainBy: input.deadline - runner.finishing(winner),
    search: {
      preference,
      budgetMinutes,
      outOfTime: runner.outOfTime,
      rungs,
      trials: trials.map(({ right, ...trial }) => ({
        ...trial,
        images: right.length,
        spread: Math.sqrt((trial.accuracy * (1 - trial.accuracy)) / right.length),
        latency: latencyOf(trial.candidate.backbone),
        front: front.some(({ candidate }) => candidate === trial.candidate),
        chosen: trial.candidate === winner,
      })),
      leftOut: failed,
    },
  };
}

/** Whether the model of a candidate is trained on augmented copies: always where the training decides that itself. */
function isTrainedOnCopies({ solved, copies }: SearchCandidate): boolean {
  return solved || copies === 'given';
}
