import type { FileDigest } from '../common/file-digest.ts';
import { elementCount, type PixelTensor, type Tensor } from '../common/tensor.ts';

/**
 * What every converted model can answer, each with the batch first:
 * `probabilities` and `logits` `[n, classes]`, `features` `[n, features]` (what enters the last dense layer) and
 * `activations` (the last convolution's map) `[n, height, width, channels]`.
 */
export const OUTPUT_NAMES = ['probabilities', 'logits', 'features', 'activations'] as const;
export type OutputName = (typeof OUTPUT_NAMES)[number];
/** The outputs of a session. `explanation` says where the picture shows a class; it needs `SessionSource.explanation`. */
export type AnswerName = OutputName | 'explanation';

export type Outputs = Readonly<Partial<Record<AnswerName, Tensor>>>;

/** The runtimes a model can be served by: ONNX Runtime, or TensorFlow.js on its fastest backend here. */
export const RUNTIME_NAMES = ['onnx', 'tfjs'] as const;
export type RuntimeName = (typeof RUNTIME_NAMES)[number];

/** What TensorFlow.js can compute with, fastest first: the native library, WebAssembly, plain JavaScript. */
export const TENSORFLOW_BACKENDS = ['tensorflow', 'wasm', 'cpu'] as const;
export type TensorFlowBackend = (typeof TENSORFLOW_BACKENDS)[number];

/** A backend that was tried and could not be used. */
export interface RejectedBackend {
  readonly backend: string;
  readonly reason: string;
}

/** Indices of the classes to be explained, one for each image of a batch. */
export type ExplainedClasses = readonly (number | undefined)[];

/** A loaded model. Not re-entrant: one `run` at a time. */
export interface Session {
  readonly runtime: RuntimeName;
  /** What computes: `cpu` of ONNX Runtime; `tensorflow`, `wasm` or `cpu` of TensorFlow.js. */
  readonly backend: string;
  /** Version of the runtime's library. */
  readonly version: string;
  /** Faster backends that were passed over, and why. */
  readonly rejected: readonly RejectedBackend[];
  /**
   * Computes what `outputs` names.
   * @param classes for `explanation`, `[n, height, width]`: the class of each image whose logit is traced back to the
   * cells of the activations; the most probable one where there is none
   * @throws when the pixels do not fit the model's input, or when the session cannot explain.
   */
  run(pixels: PixelTensor, outputs: readonly AnswerName[], classes?: ExplainedClasses): Promise<Outputs>;
  close(): Promise<void>;
}

/** The files of a converted model, and how many threads may compute it. */
export interface SessionSource {
  readonly runtime: RuntimeName;
  /** `model.onnx`, or the `model.json` of a TF.js layers model. */
  readonly path: string;
  /** All files of the model, which are verified before it is opened; nothing is verified when absent. */
  readonly files?: readonly FileDigest[];
  /** The ONNX model that computes `explanation`; verified and opened at the first run that asks for it. */
  readonly explanation?: FileDigest;
  readonly threads: number;
  /** Only this TensorFlow.js backend will do; without it the fastest that works is taken. */
  readonly backend?: TensorFlowBackend;
}

/**
 * Checks pixels against a model's `[height, width, channels]` before native code sees them.
 * @throws when they differ, when the batch is empty or when the data are not as long as the shape says.
 */
export function requireFittingPixels({ data, shape }: PixelTensor, inputShape: readonly number[]): void {
  const [batch, ...image] = shape;
  if (batch === undefined || batch < 1 || image.join() !== inputShape.join()) {
    throw new Error(`pixels have shape [${shape.join(', ')}]; the model takes [n, ${inputShape.join(', ')}], n >= 1`);
  }
  if (data.length !== elementCount(shape)) {
    throw new Error(`${data.length} pixel values do not fill the shape [${shape.join(', ')}]`);
  }
}
