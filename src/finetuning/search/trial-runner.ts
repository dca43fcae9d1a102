import type { TensorFlow } from '../../runtime/tensorflow.ts';
import type { DatasetImage } from '../dataset/inspected-image.ts';
import type { DatasetFeatures } from '../features/dataset-features.ts';
import type { TrainingModel } from '../features/feature-network.ts';
import { PENALTIES } from '../head/ridge-regression.ts';
import { chooseTrial } from './choice.ts';
import { CostModel, type CostModelInput, type ImageCount } from './cost-model.ts';
import { evaluateCandidate } from './evaluate-candidate.ts';
import type { Preference } from './pareto-front.ts';
import { OutOfTime, type RungFeatures, type RungImages } from './rung-features.ts';
import { type Rung, rungImages } from './rungs.ts';
import type { SearchClock } from './search-clock.ts';
import { candidatesOf, layerCount, type SearchCandidate } from './space.ts';
import type { RungTrial } from './successive-halving.ts';

/** What decided that a trial could begin, in milliseconds. */
export interface Timing {
  /** Left of the budget. */
  readonly left: number;
  /** What the trial was expected to take, with the features that it needed first. */
  readonly expected: number;
  /** Kept for the training after it, of the best candidate so far or of this one, whichever takes longer. */
  readonly reserved: number;
}

/** A candidate that was evaluated. */
export interface TimedTrial extends RungTrial<SearchCandidate> {
  readonly timing: Timing;
}

/** Input of `TrialRunner`. */
export interface TrialRunnerInput extends Omit<CostModelInput, 'images' | 'train' | 'validation' | 'test'> {
  /** Computes features. @throws OutOfTime when `isLate` says so */
  readonly compute: (images: RungImages, isLate: () => boolean) => Promise<RungFeatures>;
  /** Of the data set. Only those in the training split are read. */
  readonly images: readonly DatasetImage[];
  readonly layers: 'last' | 'all' | undefined;
  readonly preference: Preference;
}

/** A new rung compares the best penalty of the one before, a third and three times of it. */
const AROUND = [1 / 3, 1, 3];

/**
 * Evaluates the candidates of a backbone as long as the clock allows. Nothing starts that would not leave the time for
 * the training of the best candidate so far. Only the first trial of all is made however late it is.
 */
export class TrialRunner {
  readonly #tf: TensorFlow;
  readonly #clock: SearchClock;
  readonly #costs: CostModel;
  readonly #input: TrialRunnerInput;
  readonly #training: readonly DatasetImage[];
  /** The best penalty by backbone and layers. */
  readonly #penalties = new Map<string, number>();
  readonly #trials: TimedTrial[] = [];
  #outOfTime = false;

  constructor(tf: TensorFlow, clock: SearchClock, input: TrialRunnerInput) {
    const { images } = input;
    this.#tf = tf;
    this.#clock = clock;
    this.#input = input;
    this.#training = images.filter(({ split }) => split === 'train');
    this.#costs = new CostModel(clock, {
      ...input,
      images: images.length,
      train: this.#training.length,
      validation: images.filter(({ split }) => split === 'validation').length,
      test: images.filter(({ split }) => split === 'test').length,
    });
  }

  /** All trials so far, in the order in which they were made. */
  get trials(): readonly TimedTrial[] {
    return this.#trials;
  }

  /** Milliseconds that the model of a candidate takes after its head is trained. */
  finishing(candidate: SearchCandidate): number {
    return this.#costs.finishing(candidate);
  }

  /** Whether candidates were left out for lack of time. */
  get outOfTime(): boolean {
    return this.#outOfTime;
  }

  /**
   * Evaluates the candidates of a backbone on a rung, the default first.
   * @param onTrial called with each trial and the number of candidates
   * @returns undefined when there was no time for the first
   */
  async run(
    backbone: TrainingModel,
    rung: Rung & { readonly index: number },
    onTrial: (trial: TimedTrial, candidates: number) => void,
  ): Promise<TimedTrial[] | undefined> {
    const { name } = backbone;
    const candidates = candidatesOf(name, rung, this.#input);
    const [usual] = candidates;
    if (usual === undefined) return undefined;
    this.#costs.add(backbone);
    const copied = candidates.some(({ copies }) => copies === 'given');
    const needed = { originals: rung.images, copies: copied ? rung.images * this.#input.copies : 0 };
    const required = this.#trials.length === 0;
    // The features of the default backbone are there already.
    if (required) this.#costs.note(name, { originals: this.#input.images.length, copies: 0 });
    let timing = this.#timing(usual, rung, needed);
    if (!required && !fits(timing)) return this.#giveUp();
    const images = rungImages(this.#training, rung.images);
    const limit = required ? Number.NEGATIVE_INFINITY : timing.reserved;
    const features = await this.#features({ backbone, images, copied }, limit);
    if (features === undefined) return this.#giveUp();
    this.#costs.note(name, needed, features.layers);
    if (required) await this.#costs.probe(this.#tf, features);

    const made: TimedTrial[] = [];
    for (const candidate of distinct(candidates, features.layers.length)) {
      if (candidate !== usual) timing = this.#timing(candidate, rung, needed);
      if (candidate !== usual && !fits(timing)) {
        this.#outOfTime = true;
        break;
      }
      const trial = { ...(await this.#evaluate(candidate, rung, features)), candidate, rung: rung.index, timing };
      made.push(trial);
      this.#trials.push(trial);
      onTrial(trial, candidates.length);
    }
    return made;
  }

  #giveUp(): undefined {
    this.#outOfTime = true;
    return undefined;
  }

  /** What a trial takes and must leave, when it needs the features of so many images. */
  #timing(candidate: SearchCandidate, rung: Rung, needed: ImageCount): Timing {
    const { preference, latencyOf } = this.#input;
    const { backbone } = candidate;
    const best =
      this.#trials.length === 0
        ? undefined
        : chooseTrial(this.#trials, (each) => latencyOf(each.backbone), preference).chosen.candidate;
    const penalties = this.#penaltiesFor(candidate).length;
    return {
      left: this.#clock.left,
      expected: this.#costs.features(backbone, needed) + this.#costs.evaluation(candidate, rung, penalties),
      reserved: Math.max(
        this.#costs.training(candidate, needed),
        best === undefined ? 0 : this.#costs.training(best, best.backbone === backbone ? needed : undefined),
      ),
    };
  }

  /** Computes features; undefined when less than `reserved` milliseconds would be left. */
  async #features(wanted: RungImages, reserved: number): Promise<DatasetFeatures | undefined> {
    const isLate = (): boolean => this.#clock.left < reserved;
    try {
      const compute = () => this.#input.compute(wanted, isLate);
      return (await this.#costs.measureFeatures(wanted.backbone.name, compute)).features;
    } catch (thrown) {
      if (thrown instanceof OutOfTime) return undefined;
      throw thrown;
    }
  }

  async #evaluate(
    candidate: SearchCandidate,
    rung: Rung,
    features: DatasetFeatures,
  ): Promise<Pick<TimedTrial, 'accuracy' | 'right'>> {
    const { classes, seed, fixed } = this.#input;
    const penalties = this.#penaltiesFor(candidate);
    const { accuracy, right, penalty } = await this.#costs.measureEvaluation(candidate, rung, penalties.length, () =>
      evaluateCandidate(this.#tf, { candidate, features, classes, seed, fixed, penalties, folds: rung.folds }),
    );
    if (penalty !== undefined) this.#penalties.set(placeOf(candidate), penalty);
    return { accuracy, right };
  }

  #penaltiesFor(candidate: SearchCandidate): readonly number[] {
    const known = this.#penalties.get(placeOf(candidate));
    return known === undefined ? PENALTIES : AROUND.map((factor) => factor * known);
  }
}

function placeOf({ backbone, layers }: SearchCandidate): string {
  return `${backbone} ${layers}`;
}

function fits({ left, expected, reserved }: Timing): boolean {
  return expected + reserved <= left;
}

/** The candidates without those that read the same layers as an earlier one. */
function distinct(candidates: readonly SearchCandidate[], offered: number): SearchCandidate[] {
  const seen = new Set<string>();
  return candidates.filter((candidate) => {
    const key = JSON.stringify({ ...candidate, layers: layerCount(candidate.layers, offered) });
    return seen.size < seen.add(key).size;
  });
}
