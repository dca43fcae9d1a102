import { ConversionError } from '../conversion-error.ts';
import type { TensorSource, Weight } from '../graph/tensors.ts';

/** Counters of training steps, which PyTorch stores with each batch norm; they are ignored. */
const STEP_COUNTER = /\.num_batches_tracked$/;

/**
 * A tensor source as an architecture reads it: each tensor is requested with the shape that it must have, and the
 * tensors that were never requested are known at the end.
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

  /**
   * The first dimension of a tensor: the number of outputs of its layer. @throws ConversionError when it is missing
   */
  outputs(name: string): number {
    const [size] = this.#shape(name, 'of any shape');
    if (size === undefined) throw new ConversionError(`tensor "${name}" is a scalar`);
    return size;
  }

  /** @throws ConversionError when the tensor is missing or has another shape */
  weight(name: string, shape: readonly number[]): Weight {
    const found = this.#shape(name, `of shape [${shape}]`);
    if (!sameValues(found, shape)) {
      throw new ConversionError(`tensor "${name}" has shape [${found}]; this architecture needs [${shape}]`);
    }
    this.#used.add(name);
    return { name, shape, read: () => this.#source.read(name) };
  }

  /** A tensor in the shape that it is stored in. @throws ConversionError when it is missing */
  stored(name: string): Weight {
    return this.weight(name, this.#shape(name, 'of any shape'));
  }

  /** Names of the tensors that were never requested. */
  unused(ignored?: RegExp): string[] {
    return [...this.#source.names()].filter(
      (name) => !this.#used.has(name) && !STEP_COUNTER.test(name) && !ignored?.test(name),
    );
  }

  /** @throws ConversionError when a tensor was never requested: the checkpoint is of another architecture */
  expectAllUsed(ignored?: RegExp): void {
    const unused = this.unused(ignored);
    if (unused.length === 0) return;
    const shown = unused.slice(0, 3).map((name) => `"${name}"`);
    const more = unused.length > shown.length ? [...shown, '...'] : shown;
    throw new ConversionError(
      `the architecture has no layer for ${unused.length} tensor(s) of the checkpoint: ${more.join(', ')}`,
    );
  }

  #shape(name: string, wanted: string): readonly number[] {
    const shape = this.#source.shape(name);
    if (shape === undefined) throw new ConversionError(`tensor "${name}" ${wanted} is missing from the checkpoint`);
    return shape;
  }
}

/**
 * Whether two shapes hold the same values in the same order: a dense layer may be stored as a convolution that covers
 * its whole input, `[out, channels, height, width]` for `[out, channels * height * width]`.
 */
function sameValues(found: readonly number[], wanted: readonly number[]): boolean {
  const [foundOut, ...foundRest] = found;
  const [out, ...rest] = wanted;
  if (rest.length !== 1 || foundRest.length !== 3) return found.join() === wanted.join();
  return foundOut === out && foundRest.reduce((product, size) => product * size, 1) === rest[0];
}
