import { type Random, seededRandom } from '../../common/random.ts';
import { defaultHyperparameters, type Hyperparameters } from '../head/hyperparameters.ts';

/** Which of the backbone's layers the head reads. */
export const LAYER_CHOICES = ['all', 'half', 'last'] as const;
/** The copies that a head is trained on: none, as the options say, three times as many, or as many without mirroring. */
export const COPY_CHOICES = ['given', 'none', 'more', 'unmirrored'] as const;
export type CopyChoice = (typeof COPY_CHOICES)[number];

/** A way to train. The factors multiply the default hyperparameters. */
export interface SearchCandidate {
  /** Name of the backbone. */
  readonly backbone: string;
  readonly layers: (typeof LAYER_CHOICES)[number];
  readonly copies: CopyChoice;
  /** Whether the head is solved for by ridge regression; then nothing below counts. */
  readonly solved: boolean;
  readonly hiddenUnits: readonly number[];
  readonly dropout: number;
  readonly learningRateFactor: number;
  readonly weightDecayFactor: number;
}

/** What bounds a search. */
export interface SpaceOptions {
  /** Names; the first is the default. */
  readonly backbones: readonly string[];
  /** Whether heads may be solved for: the images are few. */
  readonly few: boolean;
  /** Copies of each image that the options ask for, and whether they mirror them. */
  readonly copies: number;
  readonly mirrored: boolean;
  readonly layers: 'last' | 'all' | undefined;
  readonly fixed: Partial<Hyperparameters>;
  readonly seed: number;
}

/** Candidates drawn for each backbone beside its default. */
const DRAWN_PER_BACKBONE = 7;
const MAX_CANDIDATES = 54;
const HIDDEN_UNITS: readonly (readonly number[])[] = [[], [], [64], [128], [256], [512]];
const DROPOUTS = [0, 0.2, 0.5];
const LEARNING_RATES = [0.3, 1, 3];
const WEIGHT_DECAYS = [0.03, 0.1, 0.3, 1, 2.5, 6];
/** Stream of the seed. */
const DRAWING = 13;

/**
 * Draws candidates: for each backbone what a fine-tune without a search would do, and some at random. What the user has
 * set is the same in all. The first candidate is the default of the first backbone.
 */
export function drawCandidates(options: SpaceOptions): SearchCandidate[] {
  const { backbones, few, copies, layers, fixed, seed } = options;
  const random = seededRandom(seed, DRAWING);
  const canSolve = few && Object.keys(fixed).length === 0;
  const defaults = backbones.map(
    (backbone): SearchCandidate => ({
      backbone,
      layers: layers ?? 'all',
      copies: copies > 0 ? 'given' : 'none',
      solved: canSolve,
      hiddenUnits: fixed.hiddenUnits ?? [],
      dropout: fixed.dropout ?? 0,
      learningRateFactor: 1,
      weightDecayFactor: 1,
    }),
  );
  const most = Math.min(MAX_CANDIDATES, backbones.length * (1 + DRAWN_PER_BACKBONE));
  const candidates = [...defaults];
  const known = new Set(defaults.map((candidate) => JSON.stringify(candidate)));
  for (let tries = 0; candidates.length < most && tries < 20 * most; tries++) {
    const base = defaults[candidates.length % defaults.length];
    const candidate = base && vary(base, options, random);
    if (candidate === undefined || known.has(JSON.stringify(candidate))) continue;
    known.add(JSON.stringify(candidate));
    candidates.push(candidate);
  }
  return candidates;
}

function vary(
  base: SearchCandidate,
  { copies, mirrored, layers, fixed }: SpaceOptions,
  random: Random,
): SearchCandidate {
  const pick = <T>(list: readonly T[], fallback: T): T => list[random.below(list.length)] ?? fallback;
  const hiddenUnits = fixed.hiddenUnits ?? pick(HIDDEN_UNITS, []);
  const copyChoices = COPY_CHOICES.filter((choice) =>
    choice === 'none' ? true : copies > 0 && (choice !== 'unmirrored' || mirrored),
  );
  const dropout = fixed.dropout ?? pick(DROPOUTS, 0);
  return {
    ...base,
    layers: layers ?? pick(LAYER_CHOICES, 'all'),
    copies: pick(copyChoices, 'none'),
    solved: false,
    hiddenUnits,
    dropout: hiddenUnits.length > 0 ? dropout : 0,
    learningRateFactor: fixed.learningRate === undefined ? pick(LEARNING_RATES, 1) : 1,
    weightDecayFactor: fixed.weightDecay === undefined ? pick(WEIGHT_DECAYS, 1) : 1,
  };
}

/** Hyperparameters of a candidate for `samples` training samples of `dimension` features. */
export function hyperparametersFor(
  candidate: SearchCandidate,
  fixed: Partial<Hyperparameters>,
  seed: number,
  samples: number,
  dimension: number,
): Hyperparameters {
  const defaults = defaultHyperparameters(samples, dimension, seed);
  return {
    ...defaults,
    hiddenUnits: candidate.hiddenUnits,
    dropout: candidate.dropout,
    learningRate: defaults.learningRate * candidate.learningRateFactor,
    weightDecay: defaults.weightDecay * candidate.weightDecayFactor,
    ...fixed,
  };
}

/** How many of `offered` layers a choice reads. */
export function layerCount(choice: SearchCandidate['layers'], offered: number): number {
  if (choice === 'all') return offered;
  return choice === 'last' ? 1 : Math.max(1, Math.ceil(offered / 2));
}
