import type { Weight } from '../../graph/tensors.ts';

/** A layer of a Keras functional model. The names of its weights are `<name>/<weight>`. */
export interface KerasLayer {
  readonly name: string;
  readonly className: string;
  /** Keras options, without name and type. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly inputs: readonly string[];
  readonly weights: readonly Weight[];
}

/** Name and inputs of a layer in its model. */
export interface LayerPosition {
  readonly name: string;
  readonly inputs: readonly string[];
  /** Whether the layer applies the relu that follows it. */
  readonly relu: boolean;
}
