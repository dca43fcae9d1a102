import type { TensorFlow } from '../../runtime/tensorflow.ts';
import { type DatasetFeatures, lastLayers } from '../features/dataset-features.ts';
import { type SearchProgress, type SearchResult, searchHyperparameters } from './hyperparameter-search.ts';
import { defaultHyperparameters, type Hyperparameters } from './hyperparameters.ts';
import { chooseWeightDecay } from './weight-decay.ts';

/** Input of `selectModel`. */
export interface SelectModelInput {
  /** Features of all layers that the backbone offers. */
  readonly features: DatasetFeatures;
  readonly classes: number;
  readonly seed: number;
  readonly search: 'none' | 'quick';
  /** Whether the head reads the backbone's last layer or all of them. When absent, a search compares them. */
  readonly layers?: 'last' | 'all' | undefined;
  /** Hyperparameters that the user has set. */
  readonly fixed: Partial<Hyperparameters>;
  /** Called after each trial of a search. */
  readonly onTrial?: (progress: SearchProgress) => void;
}

/** What a head is trained on, and with which hyperparameters. */
export interface SelectedModel {
  /** Features of the layers that the head reads. */
  readonly features: DatasetFeatures;
  /** Whether to train on the augmented copies too. */
  readonly augmented: boolean;
  readonly hyperparameters: Hyperparameters;
  /** Undefined without a search. */
  readonly search: SearchResult | undefined;
}

/** Selects the layers that the head reads and its hyperparameters, by a search or from the defaults. */
export async function selectModel(tf: TensorFlow, input: SelectModelInput): Promise<SelectedModel> {
  const { search: kind, onTrial } = input;
  const choices = layerChoices(input);
  if (kind === 'none') {
    const features = lastLayers(input.features, choices[0] ?? 1);
    const hyperparameters = await defaultsFor(tf, features, input);
    return { features, augmented: true, hyperparameters, search: undefined };
  }
  const sets = choices.map((layers) => ({ ...lastLayers(input.features, layers).train.set, name: setName(layers) }));
  const search = await searchHyperparameters(tf, {
    classes: input.classes,
    labels: input.features.train.labels,
    sets,
    seed: input.seed,
    fixed: input.fixed,
    ...(onTrial && { onTrial }),
  });
  const { best, hyperparameters } = search;
  const layers = choices.find((choice) => setName(choice) === best.features) ?? 1;
  return { features: lastLayers(input.features, layers), augmented: best.augmented, hyperparameters, search };
}

/** The defaults, overridden by what the user has set. The weight decay is tuned unless the user has set it. */
async function defaultsFor(
  tf: TensorFlow,
  { train: { set, labels } }: DatasetFeatures,
  { classes, seed, fixed }: SelectModelInput,
): Promise<Hyperparameters> {
  const samples = labels.length + (set.copies?.sources.length ?? 0);
  const hyperparameters = { ...defaultHyperparameters(samples, set.dimension, seed), ...fixed };
  if (fixed.weightDecay !== undefined) return hyperparameters;
  return { ...hyperparameters, weightDecay: await chooseWeightDecay(tf, { set, labels, classes, hyperparameters }) };
}

/**
 * How many of the backbone's last layers the head may read, the preferred number first. All layers are the default:
 * over 17 splits of two data sets and three backbones they were never worse than the last one alone, 1.7 points better
 * on photographs like those that the backbone has seen, and 3.7 points on others.
 */
function layerChoices({ layers, search, features }: SelectModelInput): number[] {
  const offered = features.layers.length;
  if (layers !== undefined) return [layers === 'all' ? offered : 1];
  if (search === 'none') return [offered];
  return offered === 1 ? [1] : [offered, 1];
}

function setName(layers: number): string {
  return layers === 1 ? 'last layer' : `last ${layers} layers`;
}
