import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import { parseArgs } from 'node:util';
import { prepareImport } from '../../src/acquire/import/model-import.ts';
import type { ManifestDocument } from '../../src/registry/manifest.ts';
import { readNamedLabels } from '../../src/registry/zoo.ts';
import { type Command, UsageError } from './command.ts';
import { openZoo } from './open-zoo.ts';

const OPTIONS = {
  name: { type: 'string' },
  arch: { type: 'string' },
  labels: { type: 'string' },
  inside: { type: 'string' },
  title: { type: 'string' },
  license: { type: 'string' },
  'input-size': { type: 'string' },
  'crop-pct': { type: 'string' },
  interpolation: { type: 'string' },
  mean: { type: 'string' },
  std: { type: 'string' },
  input: { type: 'string' },
  layout: { type: 'string' },
  'channel-order': { type: 'string' },
  output: { type: 'string' },
  'output-kind': { type: 'string' },
  features: { type: 'string' },
  activations: { type: 'string' },
  yes: { type: 'boolean', default: false },
} as const;

/** Takes a model in that was made elsewhere. */
export const importModel: Command = {
  usage:
    'import <file or folder> --name <name> [--arch resnet34] [--labels imagenet-1k|names.txt|labels.json] [--input-size 224] [--crop-pct 0.875] [--interpolation bicubic] [--mean 0.5,0.5,0.5] [--std 0.5,0.5,0.5] [--inside <path>] [--title <text>] [--license <text>] [--yes]; of an ONNX model also [--channel-order rgb|bgr] [--layout nchw|nhwc] [--input <name>] [--output <name>] [--output-kind logits|probabilities] [--features <name>] [--activations <name>]',
  summary: 'takes in a model that was made elsewhere: safetensors, .pth, .pt, TF.js, ONNX, or an archive with one',
  run: async (args) => {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options: OPTIONS });
    const [path, ...others] = positionals;
    if (path === undefined || others.length > 0) throw new UsageError('one file or folder is imported at a time');
    if (values.name === undefined) throw new UsageError('--name is missing: what the model will be called here');
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
        },
      },
      { pulledDir, listing, namedLabels: await readNamedLabels(config.zooDir) },
    );
    try {
      console.log(described(prepared.manifest, prepared.guessed));
      if (!values.yes && !(await confirmed())) {
        console.log('nothing was imported');
        return;
      }
      await prepared.commit();
      console.log(`${values.name}: imported; npm run classify -- photo.jpg --model ${values.name}`);
    } finally {
      await prepared.discard();
    }
  },
};

type Values = { readonly [option in keyof typeof OPTIONS]?: string | boolean | undefined };

/** timm's words for how pixels are made, checked where the manifest is. */
function preprocessingOf(values: Values) {
  const side = values['input-size'];
  const sides = side === undefined ? undefined : numbers(side, 'input-size', [1, 2, 3]);
  const given = {
    input_size: sides && ([3, sides.at(-2) ?? sides[0], sides.at(-1)] as [3, number, number]),
    crop_pct: values['crop-pct'] === undefined ? undefined : numbers(values['crop-pct'], 'crop-pct', [1])[0],
    interpolation: values.interpolation as ManifestDocument['interpolation'] | undefined,
    mean: values.mean === undefined ? undefined : perChannel(values.mean, 'mean'),
    std: values.std === undefined ? undefined : perChannel(values.std, 'std'),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** One number stands for all three channels. */
function perChannel(value: string | boolean, option: string): [number, number, number] {
  const [r = 0, g = r, b = r] = numbers(value, option, [1, 3]);
  return [r, g, b];
}

function numbers(value: string | boolean, option: string, lengths: readonly number[]): number[] {
  const parsed = String(value)
    .split(/[,x ]+/)
    .map(Number);
  if (lengths.includes(parsed.length) && parsed.every(Number.isFinite)) return parsed;
  throw new UsageError(`--${option}: "${value}" is not ${lengths.join(' or ')} number(s) with commas between them`);
}

/** Of an ONNX model: what its values are, and in what order it takes pixels. */
const ONNX_OPTIONS = ['input', 'layout', 'channel-order', 'output', 'output-kind', 'features', 'activations'] as const;

/** A name, or a file with a table; or what is told of an ONNX model. */
async function architectureOf(values: Values): Promise<{ architecture?: unknown }> {
  const told = ONNX_OPTIONS.flatMap((option) =>
    values[option] === undefined ? [] : [[option, values[option]] as const],
  );
  if (values.arch === undefined) {
    const fields = told.map(([option, value]) => [option.replace('-', '_'), value]);
    return told.length === 0 ? {} : { architecture: { family: 'onnx', ...Object.fromEntries(fields) } };
  }
  if (told.length > 0) throw new UsageError(`--arch and --${told[0]?.[0]} do not go together`);
  const arch = String(values.arch);
  return { architecture: arch.endsWith('.json') ? JSON.parse(await readFile(arch, 'utf8')) : arch };
}

function described(manifest: ManifestDocument, guessed: ReadonlySet<string>): string {
  const { architecture, labels } = manifest;
  const rows: [string, string][] = [
    ['architecture', typeof architecture === 'string' ? architecture : `its own, of the family ${architecture.family}`],
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

/** Which values of an ONNX model are what. */
function onnxRows(architecture: ManifestDocument['architecture']): [string, string][] {
  if (typeof architecture === 'string' || architecture.family !== 'onnx') return [];
  const fields = [...ONNX_OPTIONS.map((option) => option.replace('-', '_')), 'max_batch'];
  return fields.flatMap((field) => (architecture[field] === undefined ? [] : [[field, `${architecture[field]}`]]));
}

/** A person is asked; nobody is there to answer behind a pipe. */
async function confirmed(): Promise<boolean> {
  if (!process.stdin.isTTY) throw new Error('nothing was imported: add --yes if this is right');
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(es)?$/i.test((await terminal.question('Import it so? [y/N] ')).trim());
  } finally {
    terminal.close();
  }
}
