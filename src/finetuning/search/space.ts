import { defaultHyperparameters, type Hyperparameters } from '../head/hyperparameters.ts';
import type { Rung } from './rungs.ts';

/** Which of the backbone's layers the head reads. */
export const LAYER_CHOICES = ['all', 'half', 'last'] as const;
/** The copies that a head is trained on: as the options say, or none. */
export const COPY_CHOICES = ['given', 'none'] as const;

/** A way to train a head on a backbone. */
export interface SearchCandidate {
  /** Name of the backbone. */
  readonly backbone: string;
  readonly layers: (typeof LAYER_CHOICES)[number];
  readonly copies: (typeof COPY_CHOICES)[number];
  /**
   * Whether the head is solved for by ridge regression, which takes a moment and ranks backbones and layers; then
   * nothing below counts. When it is chosen, its head is trained as one without a search is.
   */
  readonly solved: boolean;
  readonly hiddenUnits: readonly number[];
  readonly dropout: number;
  /** Multiplies the default weight decay. */
  readonly weightDecayFactor: number;
}

/** What bounds a search. */
export interface SpaceOptions {
  /** Copies of each image that the options ask for. */
  readonly copies: number;
  readonly layers: 'last' | 'all' | undefined;
  readonly fixed: Partial<Hyperparameters>;
}

/** Heads with a hidden layer, and their dropout. */
const HIDDEN_UNITS = 256;
const DROPOUT = 0.3;
const WEIGHT_DECAYS = [0.3, 3];
const EPOCHS_SHARE = 1 / 3;

/**
 * The candidates of a backbone on a rung. The first is the default: that of a fine-tune without a search. Heads are solved
 * for without copies, whose features take longer than everything else.
 */
export function candidatesOf(backbone: string, rung: Rung, options: SpaceOptions): SearchCandidate[] {
  const { copies, layers, fixed } = options;
  const layerChoices = layers === undefined ? LAYER_CHOICES : [layers];
  const [all = 'all', ...others] = layerChoices;
  const usual: SearchCandidate = {
    backbone,
    layers: all,
    copies: copies > 0 && !rung.solved ? 'given' : 'none',
    solved: rung.solved,
    hiddenUnits: fixed.hiddenUnits ?? [],
    dropout: fixed.dropout ?? 0,
    weightDecayFactor: 1,
  };
  const ofLayers = [usual, ...others.map((choice) => ({ ...usual, layers: choice }))];
  if (rung.solved) return ofLayers;
  const decays = fixed.weightDecay === undefined ? WEIGHT_DECAYS : [];
  return [
    ...ofLayers,
    ...(fixed.hiddenUnits === undefined
      ? [{ ...usual, hiddenUnits: [HIDDEN_UNITS], dropout: fixed.dropout ?? DROPOUT }]
      : []),
    ...(copies > 0 ? [{ ...usual, copies: 'none' as const }] : []),
    ...decays.map((weightDecayFactor) => ({ ...usual, weightDecayFactor })),
  ];
}

/** Hyperparameters of a candidate for `samples` training samples of `dimension` features. */
export function hyperparametersFor(
  candidate: Pick<SearchCandidate, 'hiddenUnits' | 'dropout' | 'weightDecayFactor'>,
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
    weightDecay: defaults.weightDecay * candidate.weightDecayFactor,
    ...fixed,
  };
}

/** Hyperparameters of a trial: a third of the epochs, over which the learning rate falls as much. */
export function shortened(hyperparameters: Hyperparameters): Hyperparameters {
  return { ...hyperparameters, epochs: Math.ceil(hyperparameters.epochs * EPOCHS_SHARE) };
}

/** How many of `offered` layers a choice reads. */
export function layerCount(choice: SearchCandidate['layers'], offered: number): number {
  if (choice === 'all') return offered;
  return choice === 'last' ? 1 : Math.max(1, Math.ceil(offered / 2));
}
