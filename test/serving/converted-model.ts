import type { ConvertedModel } from '../../src/serving/conversion-cache.ts';

/** A converted model whose files nobody reads. */
export const CONVERTED: ConvertedModel = {
  key: 'key',
  inputSize: [64, 64],
  numClasses: 200,
  featureSize: 48,
  activationShape: [2, 2, 48],
  onnx: { path: 'model.onnx', size: 100, sha256: '', files: [] },
  explanation: { refused: 'it is not needed' },
};
