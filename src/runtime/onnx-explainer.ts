import { stat } from 'node:fs/promises';
import type { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-node';
import { messageOf } from '../common/errors.ts';
import { DamagedFileError, type FileDigest, verifyFiles } from '../common/file-digest.ts';
import { onnxRuntime } from './onnx-runtime.ts';
import type { ExplainedClasses } from './session.ts';

/**
 * The second model of a pair, which traces a class back to the image. Opened at the first use. Its weights are mapped
 * from the file of the first model, so a change of that file changes them: files that have changed since they were
 * verified are verified again before the next use.
 */
export class OnnxExplainer {
  /** The outputs of the first model that are its inputs. */
  static readonly reads = ['probabilities', 'activations', 'features'] as const;

  readonly #files: readonly FileDigest[];
  readonly #open: () => Promise<InferenceSession>;
  /** The session, and the state of its files when they were verified. */
  #opened: { readonly session: InferenceSession; readonly state: string } | undefined;

  /** @param files all files that the session reads */
  constructor(files: readonly FileDigest[], open: () => Promise<InferenceSession>) {
    this.#files = files;
    this.#open = open;
  }

  /**
   * The explanations `[n, height, width]` of the images whose outputs are given.
   * @throws DamagedFileError
   */
  async run(
    { probabilities, activations, features }: InferenceSession.OnnxValueMapType,
    classes: ExplainedClasses = [],
  ): Promise<OnnxTensor> {
    if (activations === undefined || features === undefined || !(probabilities?.data instanceof Float32Array)) {
      throw new Error('the ONNX model lacks one of the outputs probabilities, activations and features');
    }
    const best = mostProbable(probabilities.data, probabilities.dims[0] ?? 1);
    const chosen = BigInt64Array.from(best, (index, row) => BigInt(classes[row] ?? index));
    const session = await this.#verifiedSession();
    const classTensor = new onnxRuntime.Tensor('int64', chosen, [chosen.length]);
    const { explanation } = await session.run({ activations, features, class: classTensor });
    if (explanation === undefined) throw new Error('the explanation model has no output named explanation');
    return explanation;
  }

  async #verifiedSession(): Promise<InferenceSession> {
    const state = await stateOf(this.#files);
    if (this.#opened?.state === state) return this.#opened.session;
    await this.close();
    await verifyFiles(this.#files);
    this.#opened = { session: await this.#open(), state };
    return this.#opened.session;
  }

  async close(): Promise<void> {
    const { session } = this.#opened ?? {};
    this.#opened = undefined;
    await session?.release();
  }
}

/** Changes when a file is replaced or written to: the time is that of the inode, which nobody can set. */
async function stateOf(files: readonly FileDigest[]): Promise<string> {
  const states = files.map(async ({ path }) => {
    const { ino, size, ctimeMs } = await stat(path).catch((thrown: unknown) => {
      throw new DamagedFileError(`${path} cannot be read: ${messageOf(thrown)}`, { cause: thrown });
    });
    return `${ino} ${size} ${ctimeMs}`;
  });
  return (await Promise.all(states)).join('\n');
}

/** The class of each row with the highest score; the first of equals. */
function mostProbable(probabilities: Float32Array, rows: number): number[] {
  const count = probabilities.length / rows;
  return Array.from({ length: rows }, (_, row) => {
    const scores = probabilities.subarray(row * count, (row + 1) * count);
    return scores.reduce((best, score, index) => (score > (scores[best] ?? 0) ? index : best), 0);
  });
}
