import { AppError } from '../../common/errors.ts';
import type { SourceFile, SourceIgnoreReason } from './image-source.ts';

/** The parts of a data set: what is learnt from, what decides when to stop, what the report is made on. */
export const SPLITS = ['train', 'validation', 'test'] as const;
export type Split = (typeof SPLITS)[number];

/** An image with its label; `split` is undefined where the data set leaves the choice to us. */
export interface LabelledFile {
  readonly file: SourceFile;
  readonly label: string;
  readonly split: Split | undefined;
}

/** Why a file of the source teaches nothing. */
export type UnusedReason =
  | SourceIgnoreReason
  | 'hidden'
  | 'system_file'
  | 'not_an_image'
  | 'no_label'
  | 'outside_splits'
  | 'not_in_labels_csv';

export interface UnusedFile {
  readonly name: string;
  readonly reason: UnusedReason;
}

/** What would be right, for every error about the layout. */
export const LAYOUT_HELP =
  'put the images into a folder per class (cat/1.jpg, dog/2.jpg), these into train/, val/ and test/ if you like ' +
  '(train/cat/1.jpg), or add a labels.csv with the columns file, label and, if you like, split';

const SPLIT_NAMES: ReadonlyMap<string, Split> = new Map([
  ['train', 'train'],
  ['training', 'train'],
  ['val', 'validation'],
  ['valid', 'validation'],
  ['validation', 'validation'],
  ['test', 'test'],
  ['testing', 'test'],
]);

/** The split that a folder or a cell of a table names, in any case. */
export function splitOf(name: string): Split | undefined {
  return SPLIT_NAMES.get(name.trim().toLowerCase());
}

const SYSTEM_NAMES = new Set(['__macosx', 'thumbs.db', 'ehthumbs.db', 'desktop.ini', '$recycle.bin']);

/** What operating systems leave in folders and archives. */
export function isNoise(name: string): 'hidden' | 'system_file' | undefined {
  const segments = name.split('/');
  if (segments.some((segment) => SYSTEM_NAMES.has(segment.toLowerCase()))) return 'system_file';
  return segments.some((segment) => segment.startsWith('.')) ? 'hidden' : undefined;
}

/** Includes formats that we may not decode: a photo that is left out should be named with the reason. */
const IMAGE_NAME = /\.(jpe?g|jpe|jfif|png|webp|gif|tiff?|avif|heic|heif|bmp)$/i;

/** Whether a name promises an image. */
export function isImageName(name: string): boolean {
  return IMAGE_NAME.test(name);
}

const MAX_LABEL_LENGTH = 100;

/**
 * A folder's name or a cell of a table as display text: NFC, white space and control characters as single spaces.
 * @throws AppError `dataset_layout` when it is longer than 100 characters
 */
export function labelText(raw: string): string {
  const label = raw
    .normalize('NFC')
    .replace(/[\s\p{Cc}\p{Cf}]+/gu, ' ')
    .trim();
  if (label.length > MAX_LABEL_LENGTH) {
    throw new AppError(
      'dataset_layout',
      `the class name ${JSON.stringify(label.slice(0, 40))}... has ${label.length} characters: ${MAX_LABEL_LENGTH} are the most`,
    );
  }
  return label;
}
