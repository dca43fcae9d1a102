import { z } from 'zod';
import { ConversionError } from '../../conversion-error.ts';
import type { MapNode } from '../../graph/ir.ts';
import type { Weight } from '../../graph/tensors.ts';
import type { Pair } from '../../graph/windows.ts';
import { type Constant, isConstant } from './calls.ts';
import type { KerasWeights } from './keras-weights.ts';
import type { KerasDescription } from './model-json.ts';
import type { MapValue, Value, VectorValue } from './values.ts';

// Options that several Keras layers share, with the defaults of Keras.

const size = z.int().positive();

/** A single number is for both directions. */
export const pairOption = z.union([size.transform((side): Pair => [side, side]), z.tuple([size, size])]);
export const paddingOption = z.enum(['valid', 'same'], 'only "valid" and "same" are supported').default('valid');
export const channelsLastOption = z
  .literal('channels_last', 'only "channels_last" is supported')
  .default('channels_last');
/** The name of a function, which Keras 3 may wrap in an object; null is the identity. */
export const activationOption = z
  .union(
    [z.string(), z.object({ class_name: z.literal('function'), config: z.string() }).transform(({ config }) => config)],
    'activation functions that are classes are not supported',
  )
  .nullish()
  .transform((name) => name ?? 'linear');

/** What all layers of a model share. */
export interface KerasSource {
  readonly weights: KerasWeights;
  readonly isKeras3: boolean;
}

/** One call of a Keras layer: its options, weights and inputs. Errors name the layer and its class. */
export class LayerReading {
  /** Unique in the layer graph. */
  readonly name: string;
  /** The inputs and constants, in the order of the call. */
  readonly operands: readonly (Value | Constant)[];
  /** Whether Keras 3 wrote the model. */
  readonly isKeras3: boolean;
  readonly #description: KerasDescription;
  readonly #weights: KerasWeights;

  constructor(
    name: string,
    description: KerasDescription,
    operands: readonly (Value | Constant)[],
    { weights, isKeras3 }: KerasSource,
  ) {
    this.name = name;
    this.operands = operands;
    this.isKeras3 = isKeras3;
    this.#description = description;
    this.#weights = weights;
  }

  get inputs(): readonly Value[] {
    return this.operands.flatMap((operand) => (isConstant(operand) ? [] : operand));
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

  /** The only input. */
  input(): Value {
    const [value] = this.inputs;
    if (value === undefined || this.inputs.length > 1) return this.fail(`it has ${this.inputs.length} inputs, not one`);
    return value;
  }

  /** The only input, which must be a map. */
  map(): MapNode {
    const value = this.input();
    return value.kind === 'map' ? value.node : this.fail('its input is not a map of height, width and channels');
  }

  /** The only input, which must not be a map with channels first: only a Flatten takes that. */
  mapOrVector(): MapValue | VectorValue {
    const value = this.input();
    return this.usual(value);
  }

  /** A value that is a map or a vector. */
  usual(value: Value): MapValue | VectorValue {
    if (value.kind === 'channels_first') {
      return this.fail('its input is a map with channels first, which only a Flatten supports');
    }
    if (value.kind === 'channel') return this.fail('its input is one channel of a map, which only a Stack supports');
    return value;
  }

  /**
   * A weight by its Keras name, such as `kernel`.
   *
   * @param rank expected number of dimensions
   */
  weight(kind: string, rank: number): Weight {
    const weight = this.#weights(this.#description, kind);
    if (typeof weight === 'string') return this.fail(weight);
    if (weight.shape.length !== rank) {
      this.fail(`weight "${weight.name}" has shape [${weight.shape}], not ${rank} dimensions`);
    }
    return weight;
  }

  /** Names the layer and the way out. */
  fail(problem: string): never {
    throw new ConversionError(
      `layer "${this.#description.name}" (${this.className}): ${problem}. If nothing else helps, export the model to ` +
        'ONNX and import that: model.export("model.onnx", format="onnx") in Keras 3',
    );
  }
}
