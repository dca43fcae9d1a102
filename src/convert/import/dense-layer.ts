/** A tensor that is computed. */
export interface ComputedTensor {
  readonly shape: readonly number[];
  read(): Promise<Float32Array>;
}

/** The tensors of a module, by the last part of their names. */
export interface ModuleTensors {
  readonly parts: Readonly<Record<string, string>>;
  readonly shapeOf: (part: string) => readonly number[] | undefined;
  readonly read: (part: string) => Promise<Float32Array>;
}

/** A batch norm: `running_mean` and `running_var`, and `weight` and `bias` unless it is not affine. */
export type Norm = ModuleTensors;

/** The default of PyTorch's `BatchNorm1d`. */
const EPSILON = 1e-5;

/** A dense layer of a PyTorch checkpoint with the batch norms before and after it. */
export class DenseLayer {
  readonly inputs: number;
  readonly outputs: number;
  /** Applied to the outputs, in this order. */
  readonly after: Norm[] = [];
  readonly #dense: ModuleTensors;
  readonly #before: readonly Norm[];

  /** @param before applied to the inputs, in this order */
  constructor(dense: ModuleTensors, before: readonly Norm[]) {
    const [outputs = 0, inputs = 0] = dense.shapeOf('weight') ?? [];
    this.#dense = dense;
    this.#before = before;
    this.inputs = inputs;
    this.outputs = outputs;
  }

  /** Name of its weight in the checkpoint. */
  get name(): string {
    return this.#dense.parts['weight'] ?? '';
  }

  /** A batch norm of another width than the values that it is applied to. */
  unfittingNorm(): Norm | undefined {
    const fits = ({ parts, shapeOf }: Norm, width: number) =>
      Object.keys(parts).every((part) => shapeOf(part)?.join() === `${width}`);
    return (
      this.#before.find((norm) => !fits(norm, this.inputs)) ?? this.after.find((norm) => !fits(norm, this.outputs))
    );
  }

  /** The weight `[outputs, inputs]` and the bias `[outputs]` of one layer that does the same. */
  folded(): { readonly weight: ComputedTensor; readonly bias: ComputedTensor } {
    let values: Promise<{ readonly weight: Float32Array; readonly bias: Float32Array }> | undefined;
    const computed = () => {
      values ??= this.#values();
      return values;
    };
    return {
      weight: { shape: [this.outputs, this.inputs], read: async () => (await computed()).weight },
      bias: { shape: [this.outputs], read: async () => (await computed()).bias },
    };
  }

  /** A layer of one output as two logits for a softmax: 0, and the one whose sigmoid is the score. */
  asTwoClasses(): { readonly weight: ComputedTensor; readonly bias: ComputedTensor } {
    const { weight, bias } = this.folded();
    return { weight: afterZeros(weight, [2, this.inputs]), bias: afterZeros(bias, [2]) };
  }

  async #values(): Promise<{ readonly weight: Float32Array; readonly bias: Float32Array }> {
    const { inputs, outputs } = this;
    // A copy: the values of a file may be shared.
    const weight = Float32Array.from(await this.#dense.read('weight'));
    const hasBias = this.#dense.shapeOf('bias') !== undefined;
    const bias = hasBias ? Float32Array.from(await this.#dense.read('bias')) : new Float32Array(outputs);
    for (const norm of this.#before.toReversed()) {
      const { scale, shift } = await affine(norm);
      for (let out = 0; out < outputs; out += 1) {
        let moved = 0;
        for (let index = 0; index < inputs; index += 1) {
          const at = out * inputs + index;
          moved += (weight[at] ?? 0) * (shift[index] ?? 0);
          weight[at] = (weight[at] ?? 0) * (scale[index] ?? 0);
        }
        bias[out] = (bias[out] ?? 0) + moved;
      }
    }
    for (const norm of this.after) {
      const { scale, shift } = await affine(norm);
      for (let at = 0; at < weight.length; at += 1) {
        weight[at] = (weight[at] ?? 0) * (scale[Math.floor(at / inputs)] ?? 0);
      }
      for (let out = 0; out < outputs; out += 1) bias[out] = (bias[out] ?? 0) * (scale[out] ?? 0) + (shift[out] ?? 0);
    }
    return { weight, bias };
  }
}

/** A batch norm as `scale * x + shift`. */
async function affine({ shapeOf, read }: Norm): Promise<{ scale: Float32Array; shift: Float32Array }> {
  const [mean, variance] = [await read('running_mean'), await read('running_var')];
  const gain = shapeOf('weight') === undefined ? undefined : await read('weight');
  const offset = shapeOf('bias') === undefined ? undefined : await read('bias');
  const scale = variance.map((value, index) => (gain?.[index] ?? 1) / Math.sqrt(value + EPSILON));
  const shift = mean.map((value, index) => (offset?.[index] ?? 0) - value * (scale[index] ?? 0));
  return { scale, shift };
}

/** The values after as many zeros: a second class beside a first one whose logit is 0. */
export function afterZeros(tensor: ComputedTensor, shape: readonly number[]): ComputedTensor {
  return {
    shape,
    read: async () => {
      const values = await tensor.read();
      const both = new Float32Array(2 * values.length);
      both.set(values, values.length);
      return both;
    },
  };
}
