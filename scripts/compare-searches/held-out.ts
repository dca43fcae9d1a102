import { createHash } from 'node:crypto';
import type { Split } from '../../src/finetuning/dataset/split-names.ts';

/** An image and its label. */
export interface LabelledFile {
  readonly label: string;
  /** That the data set gives; undefined where it gives none. */
  readonly split: Split | undefined;
  readonly content: Buffer;
}

/** Images to train on, and others to test on. */
export interface HeldOutPart {
  readonly training: readonly LabelledFile[];
  readonly test: readonly LabelledFile[];
}

/**
 * The test split of a data set, or parts of about equal size with the same share of each class, each of which is tested on
 * when the others are trained on. The same files always have the same parts.
 */
export function heldOutParts(files: readonly LabelledFile[], parts: number): HeldOutPart[] {
  const isTest = ({ split }: LabelledFile): boolean => split === 'test';
  if (files.some(isTest)) return [{ training: files.filter((file) => !isTest(file)), test: files.filter(isTest) }];
  const digests = new Map(files.map((file) => [file, createHash('sha256').update(file.content).digest('hex')]));
  const sorted = files.toSorted((a, b) => (`${a.label} ${digests.get(a)}` < `${b.label} ${digests.get(b)}` ? -1 : 1));
  return Array.from({ length: parts }, (_, part) => ({
    training: sorted.filter((_file, index) => index % parts !== part),
    test: sorted.filter((_file, index) => index % parts === part),
  }));
}
