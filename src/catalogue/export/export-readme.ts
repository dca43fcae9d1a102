import type { ManifestFile } from '../../registry/manifest.ts';
import type { ModelVersion } from '../../registry/registry.ts';
import { type ExportFormat, exportDefinition } from './export-format.ts';
import type { QuantizationParity } from './tfjs-quantization.ts';

/** The text of `README.txt`: how to run an exported model, its input and its outputs. */
export function exportReadme(
  { name, version, manifest }: ModelVersion,
  format: ExportFormat,
  parity?: QuantizationParity,
): string {
  const { file, preprocessing } = manifest;
  const [height, width] = preprocessing.inputSize;
  const image = `${height}, ${width}, 3]`;
  const { howToRun, holds } = exportDefinition(format);
  const unknown = unknownRule(file, holds);
  return `${file.title}
${name}, version ${version}. License: ${file.license}.

${howToRun(`[1, ${image}`)}${parity === undefined ? '' : quantizationNote(parity)}
${holds === 'network' ? networkInterface(file, image) : layerInterface(file, image)}Classes     labels.txt has the name of class i in line i + 1; labels.json has WordNet synsets in addition.
${unknown}
card.json describes the training and the accuracy of the model.
`;
}

function unknownRule(file: ManifestFile, holds: 'network' | 'weights'): string {
  if (file.novelty !== undefined && holds === 'network') {
    return '\nUnknown     When the output "novelty" [n, 1] is above 1, the image shows none of the classes.\n';
  }
  if (file.unknown_threshold === undefined) return '';
  return `\nUnknown     When the highest probability is below ${file.unknown_threshold}, the image shows none of the classes.\n`;
}

function networkInterface(file: ManifestFile, image: string): string {
  return `Input       "pixels": RGB, 0 to 255, [n, ${image}, upright.
            ${howToResize(file)}
            Do not scale the values: the network does that itself.
Outputs     "probabilities" [n, ${file.num_classes}], "logits", "features" [n, ${file.num_features}] (the input of the last
            dense layer) and "activations" (the map of the last convolution).
`;
}

function layerInterface(file: ManifestFile, image: string): string {
  return `Input       RGB, [n, ${image}, upright.
            ${howToResize(file)}
            model.py takes values of 0 to 255 and scales them itself. A network of another library takes them scaled:
            divide by 255, subtract the mean [${file.mean.join(', ')}]
            and divide by the standard deviation [${file.std.join(', ')}].
Output      The last layer gives ${file.num_classes} logits; their softmax gives the probabilities.
`;
}

/** How a photo becomes the input, in lines of the text. */
function howToResize(file: ManifestFile): string {
  const profiles =
    file.icc === 'convert' ? 'Convert embedded colour profiles to sRGB.' : 'Ignore embedded colour profiles.';
  return `${howToFit(file)}\n            ${profiles} Transparent parts are white.`;
}

function howToFit({ resize_mode, pad_color = [0, 0, 0], crop_pct, interpolation }: ManifestFile): string {
  const input = crop_pct === 1 ? 'that of the input' : `that of the input divided by ${crop_pct}`;
  const next = '\n            ';
  const crop = crop_pct === 1 ? '' : `${next}Then crop the centre.`;
  switch (resize_mode) {
    case 'crop':
      return `Resize the photo (${interpolation}) so that its shorter side is ${input},${next}and crop the centre.`;
    case 'stretch':
      return `Resize the photo (${interpolation}) so that each side is ${input},${next}whatever its proportions.${crop}`;
    case 'pad':
      return `Resize the photo (${interpolation}) so that its longer side is ${input},${next}and fill the rest around it with RGB ${pad_color.join(', ')}.${crop}`;
  }
}

function quantizationNote({ weights, pictures, max_probability_difference, tolerance }: QuantizationParity): string {
  const verdict = max_probability_difference <= tolerance ? 'within' : 'beyond';
  return `
Weights     Kernels are stored as ${weights} to make the files smaller; TensorFlow.js computes in float32. On ${pictures}
            images, probabilities differ from those of the exact model by at most ${max_probability_difference.toFixed(4)},
            ${verdict} the tolerance of ${tolerance}.
`;
}
