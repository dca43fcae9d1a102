import { readFile } from 'node:fs/promises';
import { WEIGHTS_CHOICES } from '../convert/formats/pytorch/state-dict.ts';
import type { ManifestDocument } from '../registry/manifest.ts';
import { choice, flag, text, type Values } from './options.ts';
import { UsageError } from './usage-error.ts';

/** What can be said about a model that is imported. */
export const IMPORT_OPTIONS = {
  name: text('<name>', 'name of the model in this zoo'),
  arch: text('<name or .json file>', 'architecture, such as resnet34'),
  labels: text(
    '<name or file>',
    'imagenet-1k; a .txt file with a label per line; a .csv table; or a .json file: a list, labels by index, ' +
      'indices by label',
  ),
  'input-size': text('<n or n,n>', 'side, or height and width, of the input in pixels'),
  'resize-mode': choice(
    ['crop', 'stretch', 'pad'],
    'how photos of another shape are fitted: the middle is cropped, both sides are stretched, or the rest is filled',
  ),
  'pad-color': text('<n,n,n>', 'with this colour: red, green and blue, 0 to 255'),
  'crop-pct': text('<n>', 'share of the resized image that is cropped, such as 0.875'),
  interpolation: text('<name>', 'such as bilinear or bicubic'),
  mean: text('<n or n,n,n>', 'mean that is subtracted from pixels of 0 to 1'),
  std: text('<n or n,n,n>', 'standard deviation that they are divided by'),
  weights: choice(
    WEIGHTS_CHOICES,
    'of a PyTorch checkpoint that has both: the averaged weights (default), or those of the last step',
  ),
  inside: text('<path>', 'file inside an archive or folder'),
  title: text('<text>', "title of the model's card"),
  license: text('<text>', 'licence of the weights'),
  'channel-order': choice(['rgb', 'bgr'], 'of an ONNX model: order of the colour channels'),
  layout: choice(['nchw', 'nhwc'], 'of an ONNX model: order of the dimensions of the input'),
  input: text('<name>', 'of an ONNX model: name of the input'),
  output: text('<name>', 'of an ONNX model: name of the output with the classes'),
  'output-kind': choice(['logits', 'probabilities'], 'of an ONNX model: what this output holds'),
  features: text('<name>', 'of an ONNX model: name of the value that a fine-tune uses as features'),
  activations: text('<name>', 'of an ONNX model: name of the value that explanations use'),
  yes: flag('do not ask; warnings are still printed, to standard error'),
} as const;

/** What was given, by option. */
export type ImportValues = Values<typeof IMPORT_OPTIONS>;

/** Preprocessing in timm's terms; the values are checked with the manifest. */
export function preprocessingOf(values: ImportValues) {
  const side = values['input-size'];
  const sides = side === undefined ? undefined : numbers(side, 'input-size', [1, 2, 3]);
  const given = {
    input_size: sides && ([3, sides.at(-2) ?? sides[0], sides.at(-1)] as [3, number, number]),
    resize_mode: values['resize-mode'],
    pad_color: values['pad-color'] === undefined ? undefined : perChannel(values['pad-color'], 'pad-color'),
    crop_pct: values['crop-pct'] === undefined ? undefined : numbers(values['crop-pct'], 'crop-pct', [1])[0],
    interpolation: values.interpolation as ManifestDocument['interpolation'] | undefined,
    mean: values.mean === undefined ? undefined : perChannel(values.mean, 'mean'),
    std: values.std === undefined ? undefined : perChannel(values.std, 'std'),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** Three numbers, or one for all three channels. */
function perChannel(value: string, option: string): [number, number, number] {
  const [r = 0, g = r, b = r] = numbers(value, option, [1, 3]);
  return [r, g, b];
}

function numbers(value: string, option: string, lengths: readonly number[]): number[] {
  const parsed = value.split(/[,x ]+/).map(Number);
  if (lengths.includes(parsed.length) && parsed.every(Number.isFinite)) return parsed;
  throw new UsageError(`--${option}: "${value}" is not ${lengths.join(' or ')} number(s) separated by commas`);
}

/** Options for ONNX models. */
export const ONNX_FIELDS = [
  'input',
  'layout',
  'channel-order',
  'output',
  'output-kind',
  'features',
  'activations',
] as const;

/** The architecture: a name, the content of a file, or the options for ONNX models. */
export async function architectureOf(values: ImportValues): Promise<{ architecture?: unknown }> {
  const told = ONNX_FIELDS.flatMap((option) =>
    values[option] === undefined ? [] : [[option, values[option]] as const],
  );
  if (values.arch === undefined) {
    const fields = told.map(([option, value]) => [option.replace('-', '_'), value]);
    return told.length === 0 ? {} : { architecture: { family: 'onnx', ...Object.fromEntries(fields) } };
  }
  if (told.length > 0)
    throw new UsageError(`--arch cannot be combined with --${told[0]?.[0]}, which is for ONNX models`);
  const { arch } = values;
  return { architecture: /\.json$/i.test(arch) ? JSON.parse(await readFile(arch, 'utf8')) : arch };
}
