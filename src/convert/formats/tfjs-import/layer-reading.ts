import type { z } from 'zod';
import { ConversionError } from '../../conversion-error.ts';
import type { MapNode } from '../../graph/ir.ts';
import type { TensorSource, Weight } from '../../graph/tensors.ts';
import type { KerasDescription } from './model-json.ts';
import type { MapValue, Value, VectorValue } from './values.ts';

/** One call of a Keras layer: its options, its weights and what it reads, each refused by the layer's class and name. */
export class LayerReading {
  /** Unique in the layer graph. */
  readonly name: string;
  readonly inputs: readonly Value[];
  readonly #description: KerasDescription;
  readonly #weights: TensorSource;

  constructor(name: string, description: KerasDescription, inputs: readonly Value[], weights: TensorSource) {
    this.name = name;
    this.inputs = inputs;
    this.#description = description;
    this.#weights = weights;
  }

  get className(): string {
    return this.#description.className;
  }

  options<T extends z.ZodType>(schema: T): z.output<T> {
    const parsed = schema.safeParse(this.#description.config);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    return this.fail(`${issue?.path.join('.') ?? 'options'}: ${issue?.message}`);
  }

  /** The only value that it reads. */
  input(): Value {
    const [value] = this.inputs;
    if (value === undefined || this.inputs.length > 1)
      return this.fail(`it reads ${this.inputs.length} values, not one`);
    return value;
  }

  /** The only value that it reads, which is a map. */
  map(): MapNode {
    const value = this.input();
    return value.kind === 'map' ? value.node : this.fail('it reads what is no map of rows, columns and channels');
  }

  /** The only value that it reads, in any shape but one that only a flattening takes. */
  mapOrVector(): MapValue | VectorValue {
    const value = this.input();
    return value.kind === 'channels_first' ? this.fail('it reads a map whose channels come first') : value;
  }

  /**
   * A weight by its Keras name, such as `kernel`. Converters put scopes before the layer's name or behind it.
   * @param rank how many dimensions it has
   */
  weight(kind: string, rank: number): Weight {
    const name = this.#weightName(kind);
    const shape = this.#weights.shape(name) ?? [];
    if (shape.length !== rank) this.fail(`its weight "${name}" is of shape [${shape}], not of ${rank} dimensions`);
    return { name, shape, read: () => this.#weights.read(name) };
  }

  fail(problem: string): never {
    throw new ConversionError(`layer "${this.#description.name}" (${this.className}): ${problem}`);
  }

  #weightName(kind: string): string {
    const layer = this.#description.name;
    const exact = `${layer}/${kind}`;
    if (this.#weights.shape(exact) !== undefined) return exact;
    const scoped = [...this.#weights.names()].filter(
      (name) => `/${name}`.includes(`/${layer}/`) && name.endsWith(`/${kind}`),
    );
    const [only] = scoped;
    if (only === undefined) return this.fail(`its weight "${exact}" is missing`);
    if (scoped.length > 1) return this.fail(`its weight could be any of "${scoped.slice(0, 3).join('", "')}"`);
    return only;
  }
}
