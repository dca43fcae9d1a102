import type { Weight } from '../../graph/tensors.ts';

/** A layer of a Keras functional model. Its weights are called `<name>/<weight>`. */
export interface KerasLayer {
  readonly name: string;
  readonly className: string;
  /** Keras's own options, without name and type. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly inputs: readonly string[];
  readonly weights: readonly Weight[];
}

/** Where a layer stands in its model. */
export interface Place {
  readonly name: string;
  readonly inputs: readonly string[];
  /** Whether the layer applies the relu that follows it. */
  readonly relu: boolean;
}

export const CHANNELS_LAST = { data_format: 'channels_last' };
