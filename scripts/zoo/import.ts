import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import { prepareImport } from '../../src/acquire/import/model-import.ts';
import { WEIGHTS_CHOICES, type WeightsChoice } from '../../src/convert/formats/pytorch/state-dict.ts';
import type { ManifestDocument } from '../../src/registry/manifest.ts';
import { readNamedLabels } from '../../src/registry/zoo.ts';
import { parseArguments, UsageError } from '../command-line.ts';
import type { Command } from './command.ts';
import { openZoo } from './open-zoo.ts';

const OPTIONS = {
  name: { type: 'string' },
  arch: { type: 'string' },
  labels: { type: 'string' },
  inside: { type: 'string' },
  title: { type: 'string' },
  license: { type: 'string' },
  'input-size': { type: 'string' },
  'resize-mode': { type: 'string' },
  'pad-color': { type: 'string' },
  'crop-pct': { type: 'string' },
  interpolation: { type: 'string' },
  mean: { type: 'string' },
  std: { type: 'string' },
  weights: { type: 'string' },
  input: { type: 'string' },
  layout: { type: 'string' },
  'channel-order': { type: 'string' },
  output: { type: 'string' },
  'output-kind': { type: 'string' },
  features: { type: 'string' },
  activations: { type: 'string' },
  yes: { type: 'boolean', default: false },
} as const;

/** Imports a model that was made elsewhere. */
export const importModel: Command = {
  usage: 'import <file or folder> --name <name> [options]',
  summary: 'Imports a model from elsewhere: safetensors, .pth, .pt, TF.js, ONNX, or an archive of these.',
  help: `Options that are not given are recognised from the tensors or guessed, and shown before the import.

  --name <name>                  name of the model in this zoo
  --arch <name or .json file>    architecture, such as resnet34
  --labels <name or file>        imagenet-1k; a .txt file with a label per line; a .csv table; or a
                                 .json file: a list, labels by index, indices by label
  --input-size <n or n,n>        side, or height and width, of the input in pixels
  --resize-mode crop|stretch|pad how photos of another shape are fitted: the middle is cropped, both
                                 sides are stretched, or the rest is filled with
  --pad-color <n,n,n>            this colour: red, green and blue, 0 to 255
  --crop-pct <n>                 share of the resized image that is cropped, such as 0.875
  --interpolation <name>         such as bilinear or bicubic
  --mean <n or n,n,n>            mean and standard deviation that pixels (0 to 1) are
  --std <n or n,n,n>             normalised with
  --weights ema|raw              of a PyTorch checkpoint that has both: the averaged weights (default),
                                 or those of the last step
  --inside <path>                file inside an archive or folder
  --title <text>                 title of the model's card
  --license <text>               licence of the weights
  --yes                          do not ask

Options for ONNX models:
  --channel-order rgb|bgr        order of the colour channels
  --layout nchw|nhwc             order of the dimensions of the input
  --input <name>                 name of the input
  --output <name>                name of the output with the classes
  --output-kind logits|probabilities
  --features <name>              name of the value that a fine-tune uses as features
  --activations <name>           name of the value that explanations use`,
  run: async (args) => {
    const { values, positionals } = parseArguments(args, OPTIONS);
    const [path, ...others] = positionals;
    if (path === undefined || others.length > 0) throw new UsageError('give one file or folder');
    if (values.name === undefined) throw new UsageError('--name is missing');
    const { config, pulledDir, listing } = await openZoo();
    const prepared = await prepareImport(
      {
        path,
        name: values.name,
        inside: values.inside,
        title: values.title,
        license: values.license,
        labels: values.labels,
        given: {
          ...(await architectureOf(values)),
          ...preprocessingOf(values),
          ...(values.weights !== undefined && { weights: weightsChoice(values.weights) }),
        },
      },
      { pulledDir, listing, namedLabels: await readNamedLabels(config.zooDir) },
    );
    try {
      console.log([described(prepared.manifest, prepared.guessed), ...prepared.notes].join('\n'));
      if (!values.yes && !(await confirmed())) {
        console.log('Nothing was imported.');
        return;
      }
      await prepared.commit();
      console.log(`${values.name}: imported. Try it: npm run classify -- photo.jpg --model ${values.name}`);
    } finally {
      await prepared.discard();
    }
  },
};

type Values = { readonly [option in keyof typeof OPTIONS]?: string | boolean | undefined };

/** Preprocessing in timm's terms; the values are checked with the manifest. */
function preprocessingOf(values: Values) {
  const side = values['input-size'];
  const sides = side === undefined ? undefined : numbers(side, 'input-size', [1, 2, 3]);
  const given = {
    input_size: sides && ([3, sides.at(-2) ?? sides[0], sides.at(-1)] as [3, number, number]),
    resize_mode: values['resize-mode'] as ManifestDocument['resize_mode'] | undefined,
    pad_color: values['pad-color'] === undefined ? undefined : perChannel(values['pad-color'], 'pad-color'),
    crop_pct: values['crop-pct'] === undefined ? undefined : numbers(values['crop-pct'], 'crop-pct', [1])[0],
    interpolation: values.interpolation as ManifestDocument['interpolation'] | undefined,
    mean: values.mean === undefined ? undefined : perChannel(values.mean, 'mean'),
    std: values.std === undefined ? undefined : perChannel(values.std, 'std'),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function weightsChoice(value: string): WeightsChoice {
  const choice = WEIGHTS_CHOICES.find((known) => known === value);
  if (choice !== undefined) return choice;
  throw new UsageError(`--weights: "${value}" is not ${WEIGHTS_CHOICES.join(' or ')}`);
}

/** Three numbers, or one for all three channels. */
function perChannel(value: string | boolean, option: string): [number, number, number] {
  const [r = 0, g = r, b = r] = numbers(value, option, [1, 3]);
  return [r, g, b];
}

function numbers(value: string | boolean, option: string, lengths: readonly number[]): number[] {
  const parsed = String(value)
    .split(/[,x ]+/)
    .map(Number);
  if (lengths.includes(parsed.length) && parsed.every(Number.isFinite)) return parsed;
  throw new UsageError(`--${option}: "${value}" is not ${lengths.join(' or ')} number(s) separated by commas`);
}

/** Options for ONNX models. */
const ONNX_OPTIONS = ['input', 'layout', 'channel-order', 'output', 'output-kind', 'features', 'activations'] as const;

/** The architecture: a name, the content of a file, or the options for ONNX models. */
async function architectureOf(values: Values): Promise<{ architecture?: unknown }> {
  const told = ONNX_OPTIONS.flatMap((option) =>
    values[option] === undefined ? [] : [[option, values[option]] as const],
  );
  if (values.arch === undefined) {
    const fields = told.map(([option, value]) => [option.replace('-', '_'), value]);
    return told.length === 0 ? {} : { architecture: { family: 'onnx', ...Object.fromEntries(fields) } };
  }
  if (told.length > 0)
    throw new UsageError(`--arch cannot be combined with --${told[0]?.[0]}, which is for ONNX models`);
  const arch = String(values.arch);
  return { architecture: arch.endsWith('.json') ? JSON.parse(await readFile(arch, 'utf8')) : arch };
}

function described(manifest: ManifestDocument, guessed: ReadonlySet<string>): string {
  const { architecture, labels } = manifest;
  const rows: [string, string][] = [
    ['architecture', typeof architecture === 'string' ? architecture : `${architecture.family}, custom`],
    ['parameters', manifest.parameters.toLocaleString('en')],
    ['num_classes', `${manifest.num_classes}`],
    ['num_features', `${manifest.num_features}`],
    [
      'labels',
      typeof labels === 'string'
        ? labels
        : labels
            .slice(0, 3)
            .map(({ label }) => label)
            .join(', ')
            .concat(labels.length > 3 ? ' ...' : ''),
    ],
    ...onnxRows(architecture),
    ['input_size', manifest.input_size.slice(1).join(' x ')],
    ['resize_mode', manifest.resize_mode],
    ...(manifest.pad_color === undefined ? [] : [['pad_color', manifest.pad_color.join(', ')] as [string, string]]),
    ['crop_pct', `${manifest.crop_pct}`],
    ['interpolation', manifest.interpolation],
    ['mean', manifest.mean.join(', ')],
    ['std', manifest.std.join(', ')],
    ['license', manifest.license],
  ];
  const lines = rows.map(
    ([field, value]) => `  ${field.padEnd(14)}${value}${guessed.has(field) ? '   (guessed)' : ''}`,
  );
  return [`${manifest.name}:`, ...lines].join('\n');
}

/** Rows about the values of an ONNX model. */
function onnxRows(architecture: ManifestDocument['architecture']): [string, string][] {
  if (typeof architecture === 'string' || architecture.family !== 'onnx') return [];
  const fields = [...ONNX_OPTIONS.map((option) => option.replace('-', '_')), 'max_batch'];
  return fields.flatMap((field) => (architecture[field] === undefined ? [] : [[field, `${architecture[field]}`]]));
}

/** Asks the user. @throws when standard input is not a terminal */
async function confirmed(): Promise<boolean> {
  if (!process.stdin.isTTY) throw new Error('nothing was imported: add --yes if this is right');
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(es)?$/i.test((await terminal.question('Import this model? [y/N] ')).trim());
  } finally {
    terminal.close();
  }
}
