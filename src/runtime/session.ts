import type { FileDigest } from '../common/file-digest.ts';
import { elementCount, type PixelTensor, type Tensor } from '../common/tensor.ts';
import type { ExecutionProvider } from './execution-provider.ts';

/**
 * The outputs of every converted model, with their shapes:
 * `probabilities` and `logits` `[n, classes]`, `features` `[n, features]` (the input of the last dense layer) and
 * `activations` `[n, height, width, channels]` (the output of the last convolution).
 */
export const CLASSIFIER_OUTPUTS = ['probabilities', 'logits', 'features', 'activations'] as const;
/** All outputs: models with a detector also have `novelty` `[n, 1]`, above 1 for images that show none of the classes. */
export const OUTPUT_NAMES = [...CLASSIFIER_OUTPUTS, 'novelty'] as const;
export type OutputName = (typeof OUTPUT_NAMES)[number];
/**
 * The outputs of a session. `explanation` says where the picture shows a class; it needs `SessionSource.explanation`.
 */
export type AnswerName = OutputName | 'explanation';

export type Outputs = Readonly<Partial<Record<AnswerName, Tensor>>>;

/** The runtimes: ONNX Runtime, and TensorFlow.js on its fastest backend on this machine. */
export const RUNTIME_NAMES = ['onnx', 'tfjs'] as const;
export type RuntimeName = (typeof RUNTIME_NAMES)[number];

/** The backends of TensorFlow.js, the fastest first: the native library, WebAssembly, plain JavaScript. */
export const TENSORFLOW_BACKENDS = ['tensorflow', 'wasm', 'cpu'] as const;
export type TensorFlowBackend = (typeof TENSORFLOW_BACKENDS)[number];

/** A backend that was tried and does not work here. */
export interface RejectedBackend {
  readonly backend: string;
  readonly reason: string;
}

/** Indices of the classes to explain, one for each image of a batch; undefined means the most probable class. */
export type ExplainedClasses = readonly (number | undefined)[];

/** A loaded model. Not re-entrant: call `run` again after it has settled. */
export interface Session {
  readonly runtime: RuntimeName;
  /** The execution provider of ONNX Runtime; `tensorflow`, `wasm` or `cpu` for TensorFlow.js. */
  readonly backend: string;
  /** Version of the runtime's library. */
  readonly version: string;
  /** Faster backends that do not work here, and why. */
  readonly rejected: readonly RejectedBackend[];
  /**
   * Computes outputs of a batch.
   * @param classes for the output `explanation`, `[n, height, width]`: the class of each image whose logit is traced
   * back to the cells of the activations
   * @throws Error when the pixels do not fit the model's input, or the model cannot be explained
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
  /** What ONNX Runtime computes on; the processor when absent. */
  readonly provider?: ExecutionProvider;
  /** The TensorFlow.js backend to use; the fastest that works when absent. */
  readonly backend?: TensorFlowBackend;
}

/**
 * Checks pixels before native code gets them.
 * @param inputShape `[height, width, channels]` of the model
 * @throws Error when the shapes differ, the batch is empty, or the data has another length than the shape says
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
