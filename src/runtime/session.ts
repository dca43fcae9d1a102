import type { PixelTensor, Tensor } from '../tensor.ts';

/**
 * What every converted model can answer, each with the batch first:
 * `probabilities` and `logits` `[n, classes]`, `features` `[n, features]` (what enters the last dense layer) and
 * `activations` (the last convolution's map) `[n, height, width, channels]`.
 */
export const OUTPUT_NAMES = ['probabilities', 'logits', 'features', 'activations'] as const;
export type OutputName = (typeof OUTPUT_NAMES)[number];

export type Outputs = Readonly<Partial<Record<OutputName, Tensor>>>;

/** The runtimes a model can be served by: ONNX Runtime, or TensorFlow.js on its fastest backend here. */
export const RUNTIME_NAMES = ['onnx', 'tfjs'] as const;
export type RuntimeName = (typeof RUNTIME_NAMES)[number];

/** A loaded model. Not re-entrant: one `run` at a time. */
export interface Session {
  readonly runtime: RuntimeName;
  /** What computes: `cpu` of ONNX Runtime; `tensorflow`, `wasm` or `cpu` of TensorFlow.js. */
  readonly backend: string;
  /** Computes only what `outputs` names. @throws when the pixels do not fit the model's input. */
  run(pixels: PixelTensor, outputs: readonly OutputName[]): Promise<Outputs>;
  close(): Promise<void>;
}

/** Where a converted model lies and how many threads may compute it. */
export interface SessionSource {
  readonly runtime: RuntimeName;
  /** `model.onnx`, or the `model.json` of a TF.js layers model. */
  readonly path: string;
  readonly threads: number;
}
