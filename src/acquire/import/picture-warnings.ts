import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ConversionError } from '../../convert/conversion-error.ts';
import { writeTrialModel } from '../../convert/trial-model.ts';
import type { Manifest } from '../../registry/resolve-manifest.ts';
import { evaluateOnnx } from '../../runtime/onnx-evaluation.ts';
import { naturalPictures } from './natural-pictures.ts';

const PICTURES = 8;
/**
 * Share of the probability that must move from picture to picture. With their own preprocessing, the networks that were
 * measured have 0.08 (five kinds of photos) to 0.54 (200 things); with pixels divided by 255 twice, at most 0.013.
 */
const LEAST_MOVEMENT = 0.02;
/** With two classes, all pictures may well be of one; then it must be that sure to be suspicious. */
const SURE = 0.95;

interface Scaling {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** What models are usually made for, as the options of an import say it. */
const USUAL: readonly (Scaling & { readonly words: string })[] = [
  { words: '--mean 0 --std 0.00392157 (pixels of 0 to 255)', mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] },
  { words: '--mean 0 --std 1 (pixels of 0 to 1)', mean: [0, 0, 0], std: [1, 1, 1] },
  { words: '--mean 0.5 --std 0.5 (pixels of -1 to 1)', mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
  {
    words: "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 (ImageNet's)",
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
  },
];

/**
 * Runs a model on pictures to see whether its preprocessing may be right.
 *
 * @param weightsPath its weights
 * @param folder for temporary models, of which nothing is left unless it fails
 * @returns sentences about scores that hardly move from picture to picture, or one class for all of them
 */
export async function pictureWarnings(manifest: Manifest, weightsPath: string, folder: string): Promise<string[]> {
  const { file, preprocessing, labels } = manifest;
  const { inputSize } = preprocessing;
  const pictures = naturalPictures(PICTURES, inputSize);
  const answersWith = async ({ mean, std }: Scaling): Promise<Answers> => {
    const source = { weightsPath, architecture: file.architecture, inputSize, mean, std };
    const trial = await mkdtemp(join(folder, 'on-pictures-'));
    const path = await writeTrialModel(source, join(trial, 'model.onnx'));
    const values = await evaluateOnnx(path, pictures, ['probabilities']);
    await rm(trial, { recursive: true });
    return summary(values.map((each) => Array.from(each.get('probabilities')?.numbers ?? [])));
  };
  const { movement, classes, sureness, top } = await answersWith(file);
  if (movement < LEAST_MOVEMENT) {
    const better = await firstThatMoves(USUAL, movement, answersWith);
    return [
      `The scores hardly move over ${PICTURES} test pictures, which differ much: mean and std are probably wrong, or ` +
        `the model was not trained${better === undefined ? '' : `. They move with ${better}`}.`,
    ];
  }
  if (classes > 1 || (labels.length === 2 && sureness < SURE)) return [];
  return [
    `All ${PICTURES} test pictures, which differ much, get the class "${labels[top]?.label}" (score ${sureness.toFixed(2)} ` +
      'on average). This may be right; if photos of other classes get it too, the preprocessing is wrong.',
  ];
}

async function firstThatMoves(
  scalings: typeof USUAL,
  movement: number,
  answersWith: (scaling: Scaling) => Promise<Answers>,
): Promise<string | undefined> {
  for (const scaling of scalings) {
    const found = await answersWith(scaling).catch(refused);
    if (found !== undefined && found.movement > Math.max(LEAST_MOVEMENT, 3 * movement)) return scaling.words;
  }
  return undefined;
}

/** A model whose input is bytes takes no other scaling. */
function refused(thrown: unknown): undefined {
  if (!(thrown instanceof ConversionError)) throw thrown;
}

interface Answers {
  /** Mean over the pictures of the share of probability that is elsewhere than on average, 0..1. */
  readonly movement: number;
  /** Number of different most probable classes, and the first of them. */
  readonly classes: number;
  readonly top: number;
  /** Mean of the highest probabilities. */
  readonly sureness: number;
}

function summary(rows: readonly number[][]): Answers {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const average = (rows[0] ?? []).map((_, index) => mean(rows.map((row) => row[index] ?? 0)));
  const highest = rows.map((row) => Math.max(...row));
  const tops = rows.map((row, at) => row.indexOf(highest[at] ?? 0));
  return {
    movement: mean(
      rows.map((row) => row.reduce((sum, value, index) => sum + Math.abs(value - (average[index] ?? 0)), 0) / 2),
    ),
    classes: new Set(tops).size,
    top: tops[0] ?? 0,
    sureness: mean(highest),
  };
}
