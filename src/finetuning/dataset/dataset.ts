import { stat } from 'node:fs/promises';
import { AppError } from '../../common/errors.ts';
import { openArchive } from './archive.ts';
import { withClassNames } from './class-names.ts';
import {
  isNegative,
  LAYOUT_HELP,
  type LabelledFile,
  type LabelledImages,
  systemFileReason,
  type UnusedFile,
} from './dataset-layout.ts';
import { openFolder } from './folder.ts';
import { filesNotRead } from './foreign-dataset.ts';
import type { ImageSource, SourceFile } from './image-source.ts';
import { imagesByContent } from './images-by-content.ts';
import { labelImages } from './label-images.ts';
import { archivesInside, emptyClasses, namesDecoded, replacedFiles, unknownClasses } from './layout-warnings.ts';
import { masksAmong } from './masks.ts';
import type { TextEncoding } from './text-encoding.ts';

/** The labelled images of a source, before any image is read. */
export interface Dataset extends LabelledImages {
  /** Display names of the classes, sorted; a class's index is its position. */
  readonly classes: readonly string[];
  /** Images that show none of the classes: those that are labelled `_unknown`. */
  readonly negatives: readonly LabelledFile[];
}

/**
 * Opens the zip file or folder at a path.
 * @param encoding that of names in a zip that are not marked as UTF-8; detected when it is not given
 * @throws AppError when there is neither
 */
export async function openImageSource(path: string, encoding?: TextEncoding): Promise<ImageSource> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) {
    const hint = /[*?]/.test(path) ? '; patterns are not taken' : '';
    throw new AppError('invalid_request', `there is nothing at ${path}: give a folder of images or a zip file${hint}`);
  }
  return found.isDirectory() ? openFolder(path) : openArchive(path, undefined, encoding);
}

/**
 * Determines label and split of every image of a source. Tried in this order: tables of labels; `train`, `val` and
 * `test` folders, in any usual spelling, with a folder per class in each; a folder per class; the names of the files.
 * Images labelled `_unknown` are set apart. Folders that only wrap the others are stripped. Images deeper in the folder of a class belong to the class.
 * @param encoding that of tables that are not Unicode; detected when it is not given
 * @throws AppError `dataset_layout` when no image gets a label or the table cannot be read; it says what would be right
 */
export async function readDataset(source: ImageSource, encoding?: TextEncoding): Promise<Dataset> {
  const unused: UnusedFile[] = source.ignored.map(({ name, reason }) => ({ name, reason }));
  const named: SourceFile[] = [];
  for (const file of source.files) {
    const reason = systemFileReason(file.name);
    if (reason === undefined) named.push(file);
    else unused.push({ name: file.name, reason });
  }

  const candidates = await imagesByContent(named, source);
  const { masks, warnings } = masksAmong(candidates);
  for (const { name } of masks) unused.push({ name, reason: 'mask' });
  const reading = { source, files: candidates.filter((file) => !masks.has(file)), encoding };
  const labelled = await withClassNames(reading, await labelImages(reading));
  unused.push(...labelled.unused);
  if (labelled.files.length === 0) {
    const [hint] = filesNotRead(candidates);
    throw new AppError(
      'dataset_layout',
      `no labelled image was found among ${source.files.length} files: ` +
        `${hint === undefined ? '' : `${hint.message}; `}${LAYOUT_HELP}`,
      {
        context: { files: source.files.length, examples: unused.slice(0, 10) },
      },
    );
  }
  const files = labelled.files.filter(({ label }) => !isNegative(label));
  const classes = [...new Set(files.map(({ label }) => label))].sort();
  return {
    layout: labelled.layout,
    files,
    classes,
    negatives: labelled.files.filter(({ label }) => isNegative(label)),
    unused,
    missing: labelled.missing,
    ...(labelled.synsets && { synsets: labelled.synsets }),
    warnings: [
      ...labelled.warnings,
      ...warnings,
      ...unknownClasses(classes),
      ...emptyClasses(source, labelled.files),
      ...archivesInside(candidates),
      ...namesDecoded(source),
      ...replacedFiles(source),
    ],
  };
}
