/** What a model can be taken away as. */
export const EXPORT_FORMATS = ['onnx', 'tfjs', 'safetensors'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** How the weights of a TF.js model are stored; whoever loads it computes in float32 all the same. */
export const STORED_WEIGHTS = ['float32', 'float16', 'uint8'] as const;
export type StoredWeights = (typeof STORED_WEIGHTS)[number];

/** What a client asks for. */
export interface ExportOptions {
  readonly format: ExportFormat;
  /** Other than float32 of TF.js models alone. */
  readonly quantize: StoredWeights;
}
