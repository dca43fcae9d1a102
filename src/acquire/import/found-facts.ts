import type { PreprocessingFields } from './preprocessing-defaults.ts';

/** What files beside a model, or the model's metadata, say about it. */
export interface FoundFacts extends Partial<PreprocessingFields> {
  /** A name or a table. */
  readonly architecture?: unknown;
  /** The input size, used when the model takes images of any size. */
  readonly suggestedSize?: readonly [height: number, width: number];
  /** The range of pixels, in the terms of `mean` and `std`: some tools also write it for models that scale theirs. */
  readonly range?: Pick<PreprocessingFields, 'mean' | 'std'>;
  /** The order of the colours, unless the network shows another. */
  readonly suggestedOrder?: 'rgb' | 'bgr';
  readonly title?: string | undefined;
  readonly license?: string | undefined;
  readonly unknown_threshold?: number | undefined;
}

/** The fields of a manifest about preprocessing, of facts about a model. */
export function preprocessingOf(facts: FoundFacts): Partial<PreprocessingFields> {
  const { input_size, mean, std, resize_mode, pad_color, crop_pct, interpolation } = facts;
  const fields = { input_size, mean, std, resize_mode, pad_color, crop_pct, interpolation };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

const WORDS: Readonly<Record<string, string>> = {
  range: 'the range of pixels',
  suggestedSize: 'input_size unless the model has its own',
  suggestedOrder: 'channel_order',
};

/** The names of facts, for a sentence about where they were found. */
export function listedFacts(facts: FoundFacts): string {
  const names = Object.entries(facts).flatMap(([name, value]) => (value === undefined ? [] : [WORDS[name] ?? name]));
  return names.join(', ');
}
