import { AppError } from '../../common/errors.ts';
import type { SourceFile, SourceIgnoreReason } from './image-source.ts';
import type { Split } from './split-names.ts';

/** An image with its label. `split` is undefined where the data set does not give one. */
export interface LabelledFile {
  readonly file: SourceFile;
  readonly label: string;
  readonly split: Split | undefined;
}

/** Why a file of the source is not used. */
export type UnusedReason =
  | SourceIgnoreReason
  | 'hidden'
  | 'system_file'
  | 'not_an_image'
  | 'no_label'
  | 'outside_splits'
  | 'nested_copy'
  | 'mask'
  | 'several_labels'
  | 'not_in_table';

export interface UnusedFile {
  readonly name: string;
  readonly reason: UnusedReason;
}

/** A finding about a data set that does not prevent the training. */
export interface DatasetWarning {
  readonly code: string;
  readonly message: string;
  readonly context: Readonly<Record<string, unknown>>;
}

/** What is known about the images of a data set once they are labelled. */
export interface LabelledImages {
  readonly layout: 'folders' | 'split_folders' | 'table' | 'file_names' | 'unlabelled';
  /** Sorted by name. */
  readonly files: readonly LabelledFile[];
  readonly unused: readonly UnusedFile[];
  /** Files that tables name but that do not exist. */
  readonly missing: readonly string[];
  /** WordNet synsets by label, where a table gives them. */
  readonly synsets?: ReadonlyMap<string, string>;
  /** Findings about the layout. */
  readonly warnings: readonly DatasetWarning[];
}

/** The error for a finding that prevents the training; `finding` of its context is the code. */
export function refusal({ code, message, context }: DatasetWarning): AppError {
  return new AppError('dataset_layout', message, { context: { finding: code, ...context } });
}

/** Ends every error about the layout. */
export const LAYOUT_HELP =
  'put the images into one folder per class (cat/1.jpg, dog/2.jpg), optionally within train/, val/ and test/ ' +
  '(train/cat/1.jpg), or add a labels.csv with the columns file, label and optionally split';

const SYSTEM_NAMES = new Set(['__macosx', 'thumbs.db', 'ehthumbs.db', 'desktop.ini', '$recycle.bin']);

/** Recognizes files that operating systems add to folders and archives. */
export function systemFileReason(name: string): 'hidden' | 'system_file' | undefined {
  const segments = name.split('/');
  if (segments.some((segment) => SYSTEM_NAMES.has(segment.toLowerCase()))) return 'system_file';
  return segments.some((segment) => segment.startsWith('.')) ? 'hidden' : undefined;
}

/** Whether the name of a folder says that nobody has labelled its images. */
export function meansUnlabelled(name: string): boolean {
  return /^[\W_]*(?:un|non?t?[\W_]*)label(?:l?ed|s)?(?:[\W_]*(?:data|images?|photos?|pics))?[\W_]*$/i.test(name);
}

/**
 * Whether a label says that its images show none of the classes: they judge and tune the detector of unknown images and
 * are never a class.
 */
export function isNegative(label: string): boolean {
  return label.toLowerCase() === NEGATIVE_LABEL;
}

/** The label of images that show none of the classes. */
export const NEGATIVE_LABEL = '_unknown';

/** Whether the name of a class says that its images show something else, or that their class is not known. */
export function meansUnknown(name: string): boolean {
  return /^[\W_]*(?:unknowns?|unclassified|unsorted|uncategori[sz]ed|dummy|undefined|background|background_google|others?|misc)[\W_]*$/i.test(
    name,
  );
}

/** Includes formats that may not be decoded: an image that is not used is reported with the reason. */
const IMAGE_NAME = /\.(jpe?g|jpe|jfif|png|webp|gif|tiff?|avif|heic|heif|bmp)$/i;

/** A name without the extension of an image. */
export function withoutImageExtension(name: string): string {
  return name.replace(IMAGE_NAME, '');
}

/** Whether a name is that of an image. */
export function isImageName(name: string): boolean {
  return IMAGE_NAME.test(name);
}

/** Whether a file is an image, by its name or by how it begins. */
export function isImage({ name, startsLikeImage }: SourceFile): boolean {
  return startsLikeImage === true || isImageName(name);
}

/** Names of archives; a `.tm` is a project of Teachable Machine. */
export const ARCHIVE_NAME = /\.(?:zip|tar|tgz|gz|bz2|xz|7z|rar|tm)$/i;

const MAX_LABEL_LENGTH = 100;

/**
 * The name of a class from the name of a folder or a cell of a table: NFC, with white space and control characters as
 * single spaces.
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
      `the class name ${JSON.stringify(label.slice(0, 40))}... has ${label.length} characters; ` +
        `at most ${MAX_LABEL_LENGTH} are allowed`,
    );
  }
  return label;
}
