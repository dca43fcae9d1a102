import type { FinetuneRequest } from '../finetuning/finetune-options.ts';

/** How copies of the training images are varied. Values are drawn within these ranges for each copy. */
export interface AugmentationOptions {
  /** Varied copies of each training image, 0 to 50. Default 2. */
  readonly copies?: number;
  /** Mirror a copy left to right with a probability of one half. Default true. */
  readonly horizontalFlip?: boolean;
  /** Mirror a copy top to bottom with a probability of one half. Default false. */
  readonly verticalFlip?: boolean;
  /** Rotate by up to this many degrees in either direction, 0 to 180. Default 10. */
  readonly rotation?: number;
  /** Smallest part of the area that a crop keeps, 0.05 to 1. Default 0.7. */
  readonly cropScale?: number;
  /** Scale brightness by 1 - x to 1 + x, 0 to 1. Default 0.2. */
  readonly brightness?: number;
  /** Scale contrast by 1 - x to 1 + x, 0 to 1. Default 0.2. */
  readonly contrast?: number;
  /** Share of pixels that become black or white, 0 to 0.5. Default 0. */
  readonly noise?: number;
  /** Mix each copy with chains of simple operations (AugMix), for photos of worse quality. Default false. */
  readonly robust?: boolean;
}

/** What a fine-tune may be told, except for its name; what is absent is chosen by the training. */
export interface TrainingOptions {
  /** Model whose features are used. Default: the setting `defaultBackbone`. */
  readonly backbone?: string;
  /**
   * Search for better settings of the head (`quick`), or also for the backbone, its layers and the copies
   * (`thorough`; only for the settings when `backbone` is given). Default `none`.
   */
  readonly search?: 'none' | 'quick' | 'thorough';
  /** Minutes for a thorough search and the training after it, 0.1 to 1440. Default 10. */
  readonly budgetMinutes?: number;
  /**
   * Which trial of a thorough search is taken, of those that none beats in accuracy without being slower: the most
   * accurate one, the fastest one, or the fastest one within two points of accuracy. Default `accuracy`.
   */
  readonly prefer?: 'accuracy' | 'balanced' | 'speed';
  /** When the bare name of the model means the new version. Default `always`. */
  readonly promote?: 'always' | 'if_better' | 'never';
  /** Seed of all random draws: the same seed and images give the same model. Default 0. */
  readonly seed?: number;
  /** `robust` is short for `{ robust: true }`. */
  readonly augmentation?: AugmentationOptions | 'robust';
  /** Encoding of names and tables that are not UTF-8, such as `shift_jis`. Default: detected. */
  readonly encoding?: string;
  /** Share of the images for validation and for the test, 0 to 0.5 each, where the data set does not say. */
  readonly validationShare?: number;
  readonly testShare?: number;
  /** Widths of the hidden layers of the head, up to three of 1 to 4096; none for a linear head. */
  readonly hiddenUnits?: number[];
  /** 0 to 0.9. */
  readonly dropout?: number;
  /** More than 0, up to 1. */
  readonly learningRate?: number;
  /** 0 to 1000. */
  readonly weightDecay?: number;
  /** 1 to 4096. */
  readonly batchSize?: number;
  /** 1 to 1000. */
  readonly epochs?: number;
  /** Epochs without progress after which the training stops, 1 to 1000. */
  readonly patience?: number;
  /** 0 to 0.9. */
  readonly labelSmoothing?: number;
  /** Whether rare classes weigh as much as frequent ones. */
  readonly classWeights?: 'none' | 'balanced';
  /** Whether the head reads the last layer of the backbone, or the means of earlier layers too. */
  readonly layers?: 'last' | 'all';
  /** Whether to test the model on corrupted held-out images too, for a small part of the job. Default true. */
  readonly corruptions?: boolean;
  /**
   * What is trained: the head alone, or the last stage of the backbone too, which takes longer and gains most on images
   * unlike those that the backbone has seen. Default `head`.
   */
  readonly depth?: 'head' | 'last_stage';
  /** WordNet synsets of classes by their names, such as `{ ant: 'n02219486' }`, for `hierarchy`. */
  readonly synsets?: Record<string, string>;
}

/** `hidden_units` of `hiddenUnits`. */
type SnakeName<Name extends string> = Name extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `_${Lowercase<First>}`}${SnakeName<Rest>}`
  : Name;

type SnakeNames<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { [Name in keyof T & string as SnakeName<Name>]: SnakeNames<T[Name]> }
    : T;

/** The request of given options. The compiler holds the two against each other: every option is one of a request. */
export function requestOf(name: string, options: TrainingOptions): FinetuneRequest {
  return { name, ...snakeNames(options) };
}

function snakeNames<T extends object>(options: T): SnakeNames<T> {
  const entries = Object.entries(options).map(([name, value]) => {
    // The names in `synsets` are those of classes.
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value) && name !== 'synsets';
    return [name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), isObject ? snakeNames(value) : value];
  });
  return Object.fromEntries(entries) as SnakeNames<T>;
}
