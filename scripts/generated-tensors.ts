import { elementCount } from '../src/common/tensor.ts';
import { Checkpoint } from '../src/convert/architectures/checkpoint.ts';
import { weightsOf } from '../src/convert/graph/graph.ts';
import type { TensorSource, Weight } from '../src/convert/graph/tensors.ts';
import { type Architecture, assembleNetwork, type NetworkOptions } from '../src/convert/network.ts';

/** Names and shapes of tensors. */
type TensorShapes = Readonly<Record<string, readonly number[]>>;

/**
 * Weights that anyone can generate again, so that reference outputs need no weights files. The values of a tensor are
 * a stream seeded by its name: FNV-1a seeds mulberry32, whose numbers are scaled to a range that depends on the shape
 * and the role of the tensor.
 */
export class GeneratedTensors implements TensorSource {
  readonly #prefix: string;
  readonly #shapes: ReadonlyMap<string, readonly number[]>;

  constructor(prefix: string, shapes: TensorShapes) {
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

/** A checkpoint that has every tensor in the shape in which it is asked for; its values cannot be read. */
export class AnyCheckpoint extends Checkpoint {
  readonly #has: (name: string) => boolean;

  /** @param has answers `has`, which an architecture asks to tell naming schemes apart */
  constructor(has: (name: string) => boolean = () => false) {
    super(new GeneratedTensors('', {}));
    this.#has = has;
  }

  override has(name: string): boolean {
    return this.#has(name);
  }

  override weight(name: string, shape: readonly number[]): Weight {
    return { name, shape, read: () => Promise.reject(new Error('a shape without values')) };
  }
}

/** The tensors that a checkpoint of an architecture has. */
export function tensorShapes(
  architecture: Architecture,
  options: NetworkOptions & { readonly numClasses: number },
): TensorShapes {
  const { nodes } = assembleNetwork(architecture, new AnyCheckpoint(), options);
  return Object.fromEntries(nodes.flatMap(weightsOf).map(({ name, shape }) => [name, shape]));
}

/** Values in `low`..`high` that follow from the name alone. */
export function stream(name: string, count: number, low: number, high: number): Float32Array {
  const seed = fnv1a(name);
  const values = new Float32Array(count);
  // A loop: `Float32Array.from` takes ten times as long, and a network of full size has up to 140 million weights.
  for (let index = 0; index < count; index += 1) values[index] = low + (high - low) * mulberry32(seed, index);
  return values;
}

/** Ranges that keep signals at about the same scale through deep networks: He's bound for weights, norms near 1. */
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

/** The number at `index` of the stream of a seed, in 0..1. */
function mulberry32(seed: number, index: number): number {
  const state = (seed + Math.imul(0x6d2b79f5, index + 1)) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}
