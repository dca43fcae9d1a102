import { ConversionError } from '../conversion-error.ts';

import type { TensorSource, Weight } from '../graph/tensors.ts';

/** Counters of training steps, which PyTorch stores with each batch norm; nothing reads them here. */
const BOOKKEEPING = /\.num_batches_tracked$/;

/**
 * A tensor source as an architecture reads it: every tensor is asked for with the shape it must have, and what nobody
 * asked for is known at the end.
 */
export class Checkpoint {
  readonly #source: TensorSource;
  readonly #used = new Set<string>();

  constructor(source: TensorSource) {
    this.#source = source;
  }

  has(name: string): boolean {
    return this.#source.shape(name) !== undefined;
  }

  /** The first size of a tensor: the outputs of a layer. @throws ConversionError when there is no such tensor. */
  outputs(name: string): number {
    const [size] = this.#shape(name, 'of any shape');
    if (size === undefined) throw new ConversionError(`tensor "${name}" is a scalar`);
    return size;
  }

  /** @throws ConversionError when the tensor is missing or of another shape. */
  weight(name: string, shape: readonly number[]): Weight {
    const found = this.#shape(name, `of shape [${shape}]`);
    if (!sameValues(found, shape)) {
      throw new ConversionError(`tensor "${name}" is of shape [${found}]; this architecture needs [${shape}]`);
    }
    this.#used.add(name);
    return { name, shape, read: () => this.#source.read(name) };
  }

  /** A tensor of whatever shape it has. @throws ConversionError when it is missing */
  stored(name: string): Weight {
    return this.weight(name, this.#shape(name, 'of any shape'));
  }

  /** @throws ConversionError when a tensor was never asked for: then the architecture is not this checkpoint's. */
  expectAllUsed(ignored?: RegExp): void {
    const unused = [...this.#source.names()].filter(
      (name) => !this.#used.has(name) && !BOOKKEEPING.test(name) && !ignored?.test(name),
    );
    if (unused.length === 0) return;
    const shown = unused.slice(0, 3).join('", "');
    throw new ConversionError(
      `the architecture has no place for ${unused.length} tensor(s) of the checkpoint: "${shown}"${unused.length > 3 ? ' ...' : ''}`,
    );
  }

  #shape(name: string, wanted: string): readonly number[] {
    const shape = this.#source.shape(name);
    if (shape === undefined) throw new ConversionError(`tensor "${name}" ${wanted} is missing from the checkpoint`);
    return shape;
  }
}

/**
 * Whether a stored shape holds the same values in the same order: a dense layer may be stored as the convolution that
 * covers its whole input, `[out, channels, height, width]` for `[out, channels * height * width]`.
 */
function sameValues(found: readonly number[], wanted: readonly number[]): boolean {
  const [foundOut, ...foundRest] = found;
  const [out, ...rest] = wanted;
  if (rest.length !== 1 || foundRest.length !== 3) return found.join() === wanted.join();
  return foundOut === out && foundRest.reduce((product, size) => product * size, 1) === rest[0];
}
