import { createHash } from 'node:crypto';
import { ProgressBar } from '../src/command/progress-bar.ts';
import { openImageSource, readDataset } from '../src/finetuning/dataset/dataset.ts';
import { assignSplits, SPLIT_DEFAULTS } from '../src/finetuning/dataset/dataset-split.ts';
import type { Split } from '../src/finetuning/dataset/split-names.ts';
import { wilsonInterval } from '../src/finetuning/head/confidence-interval.ts';
import type { Preprocessing } from '../src/image/crop.ts';
import { preprocessImage } from '../src/image/preprocess.ts';

/** Images of a data set with the split that a fine-tune uses. */
export interface LabelledImages<T> {
  readonly classes: readonly string[];
  readonly images: readonly { readonly label: number; readonly split: Split; readonly value: T }[];
}

/** Options of `readLabelledImages`. */
export interface ReadOptions {
  readonly preprocessing: Preprocessing;
  readonly maxPixels: number;
  readonly seed: number;
}

/**
 * Reads the images of a folder or zip.
 *
 * @param describe turns the pixels of an image, `[height, width, 3]`, into a value
 */
export async function readLabelledImages<T>(
  path: string,
  { preprocessing, maxPixels, seed }: ReadOptions,
  describe: (pixels: Uint8Array) => T | Promise<T>,
): Promise<LabelledImages<T>> {
  const source = await openImageSource(path);
  try {
    const { files, classes } = await readDataset(source);
    const bar = new ProgressBar('images');
    const images: { label: string; split: Split | undefined; digest: string; value: T }[] = [];
    for (const { file, label, split } of files) {
      const bytes = await source.read(file);
      const { pixels } = await preprocessImage(bytes, preprocessing, maxPixels);
      const digest = createHash('sha256').update(bytes).digest('hex');
      images.push({ label, split, digest, value: await describe(pixels) });
      bar.update(images.length, files.length);
    }
    bar.end();
    const splits = assignSplits(images, { seed, ...SPLIT_DEFAULTS });
    return {
      classes,
      images: images.map(({ label, value }, i) => ({
        label: classes.indexOf(label),
        split: splits[i] ?? 'train',
        value,
      })),
    };
  } finally {
    await source.close();
  }
}

/** A line of a table: accuracy, its 95 % confidence interval, and a name. */
export function scoreLine(name: string, correct: number, total: number): string {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const { low, high } = wilsonInterval(correct, total);
  return `${percent(correct / total).padStart(7)}  (${percent(low)} to ${percent(high)})  ${name}`;
}
