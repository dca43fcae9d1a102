import { elementCount } from '../src/common/tensor.ts';
import type { TensorSource } from '../src/convert/graph/tensors.ts';

/**
 * Weights that anyone can generate anew, so that goldens need no weight files. A tensor's values are a stream seeded by
 * its name: FNV-1a seeds mulberry32, whose numbers are spread over a range that its shape and role decide.
 */
export class GeneratedTensors implements TensorSource {
  readonly #prefix: string;
  readonly #shapes: ReadonlyMap<string, readonly number[]>;

  constructor(prefix: string, shapes: Readonly<Record<string, readonly number[]>>) {
    this.#prefix = prefix;
    this.#shapes = new Map(Object.entries(shapes));
  }

  names(): Iterable<string> {
    return this.#shapes.keys();
  }

  shape(name: string): readonly number[] | undefined {
    return this.#shapes.get(name);
  }

  async read(name: string): Promise<Float32Array> {
    const shape = this.shape(name) ?? [];
    const [low, high] = rangeOf(name, shape);
    return stream(this.#prefix + name, elementCount(shape), low, high);
  }
}

/** Values in `low`..`high` that only the name decides. */
export function stream(name: string, count: number, low: number, high: number): Float32Array {
  const seed = fnv1a(name);
  return Float32Array.from({ length: count }, (_, index) => low + (high - low) * mulberry32(seed, index));
}

/** Keeps signals of about the same size through deep networks: He's bound for weights, batch norms near 1. */
function rangeOf(name: string, shape: readonly number[]): [low: number, high: number] {
  if (name.endsWith('.running_var')) return [0.5, 1.5];
  if (name.endsWith('.running_mean') || name.endsWith('.bias')) return [-0.1, 0.1];
  if (shape.length === 1) return [0.8, 1.2];
  const bound = Math.sqrt(6 / elementCount(shape.slice(1)));
  return [-bound, bound];
}

function fnv1a(text: string): number {
  return Buffer.from(text).reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193) >>> 0, 0x811c9dc5);
}

/** The `index`-th number of a seed, in 0..1. */
function mulberry32(seed: number, index: number): number {
  const state = (seed + Math.imul(0x6d2b79f5, index + 1)) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}
