import type { ModelVersion } from '../../registry/registry.ts';
import type { ExportFormat } from './export-format.ts';
import type { QuantizationParity } from './tfjs-quantization.ts';

/** The few lines that say how to run an exported model. */
export function exportReadme(
  { name, version, manifest }: ModelVersion,
  format: ExportFormat,
  parity?: QuantizationParity,
): string {
  const { file, preprocessing } = manifest;
  const [height, width] = preprocessing.inputSize;
  const shape = `[n, ${height}, ${width}, 3]`;
  const threshold =
    file.unknown_threshold === undefined
      ? ''
      : `\nUnknown     where the largest probability is below ${file.unknown_threshold}, the answer is "none of these".\n`;
  return `${file.title}
${name}, version ${version}. License: ${file.license}.

${HOW_TO_RUN[format](shape)}${parity === undefined ? '' : rounding(parity)}
Input       "pixels": RGB, 0 to 255, ${shape}, upright. Resize the photo (${file.interpolation}) until its
            shorter side is the input's over ${file.crop_pct}, and cut out the middle. Scaling by mean and standard
            deviation is a part of the network: don't scale.
Outputs     "probabilities" [n, ${file.num_classes}], "logits", "features" [n, ${file.num_features}] (what enters the last dense layer) and
            "activations" (the map of the last convolution).
Classes     labels.txt names class i in line i + 1; labels.json has the same with WordNet synsets where known.
${threshold}
card.json says what the model was trained on and how good it is.
`;
}

function rounding({ weights, pictures, max_probability_difference, tolerance }: QuantizationParity): string {
  const most = max_probability_difference;
  const verdict = most <= tolerance ? 'within' : 'beyond';
  return `
Weights     Kernels are stored as ${weights}, to be smaller; TensorFlow.js computes in float32. On ${pictures} pictures the
            probabilities differ from those of the exact model by at most ${most.toFixed(4)}, ${verdict} the tolerance of ${tolerance}.
`;
}

const HOW_TO_RUN: Readonly<Record<ExportFormat, (shape: string) => string>> = {
  onnx: (shape) => `model.onnx runs in any ONNX Runtime:

  const session = await ort.InferenceSession.create('model.onnx');
  const pixels = new ort.Tensor('uint8', bytes, ${shape.replace('n', '1')});
  const { probabilities } = await session.run({ pixels }, ['probabilities']);
`,
  tfjs: (shape) => `model.json and its shards are a layers model of TensorFlow.js:

  const model = await tf.loadLayersModel('model.json');
  const outputs = model.predict(tf.tensor(bytes, ${shape.replace('n', '1')}, 'float32'));
  const probabilities = outputs[model.outputNames.indexOf('probabilities')];
`,
  safetensors: () => `model.safetensors holds the weights under the names of the checkpoint, for use in any framework;
architecture.json says what network they belong to. Unlike the other exports, that network takes pixels scaled to
0..1, then normalised by mean and std, and its last layer gives logits.
`,
};
