import { type InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-node';
import type { ExplainedClasses } from './session.ts';

/** The second model of a pair, which traces a class back to the image. Opened at the first use. */
export class OnnxExplainer {
  /** The outputs of the first model that are its inputs. */
  static readonly reads = ['probabilities', 'activations', 'features'] as const;

  readonly #open: () => Promise<InferenceSession>;
  #session: Promise<InferenceSession> | undefined;

  constructor(open: () => Promise<InferenceSession>) {
    this.#open = open;
  }

  /** The explanations `[n, height, width]` of the images whose outputs are given. */
  async run(
    { probabilities, activations, features }: InferenceSession.OnnxValueMapType,
    classes: ExplainedClasses = [],
  ): Promise<OnnxTensor> {
    if (activations === undefined || features === undefined || !(probabilities?.data instanceof Float32Array)) {
      throw new Error('the ONNX model lacks one of the outputs probabilities, activations and features');
    }
    const best = mostProbable(probabilities.data, probabilities.dims[0] ?? 1);
    const chosen = BigInt64Array.from(best, (index, row) => BigInt(classes[row] ?? index));
    this.#session ??= this.#open();
    const session = await this.#session.catch((thrown: unknown) => {
      // A damaged file may have been repaired before the next run.
      this.#session = undefined;
      throw thrown;
    });
    const classTensor = new OnnxTensor('int64', chosen, [chosen.length]);
    const { explanation } = await session.run({ activations, features, class: classTensor });
    if (explanation === undefined) throw new Error('the explanation model has no output named explanation');
    return explanation;
  }

  async close(): Promise<void> {
    const session = await this.#session?.catch(() => undefined);
    await session?.release();
  }
}

/** The class of each row with the highest score; the first of equals. */
function mostProbable(probabilities: Float32Array, rows: number): number[] {
  const count = probabilities.length / rows;
  return Array.from({ length: rows }, (_, row) => {
    const scores = probabilities.subarray(row * count, (row + 1) * count);
    return scores.reduce((best, score, index) => (score > (scores[best] ?? 0) ? index : best), 0);
  });
}
