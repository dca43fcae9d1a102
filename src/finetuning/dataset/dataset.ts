import { stat } from 'node:fs/promises';
import { AppError } from '../../common/errors.ts';
import { openArchive } from './archive.ts';
import { labelByFolders } from './dataset-folders.ts';
import {
  type DatasetWarning,
  LAYOUT_HELP,
  type LabelledFile,
  systemFileReason,
  type UnusedFile,
} from './dataset-layout.ts';
import { labelByTable, readTable } from './dataset-table.ts';
import { openFolder } from './folder.ts';
import type { ArchiveLimits, ImageSource, SourceFile } from './image-source.ts';
import { unknownClasses } from './layout-warnings.ts';

/** The labelled images of a source, before any image is read. */
export interface Dataset {
  readonly layout: 'folders' | 'split_folders' | 'labels_csv';
  /** Sorted by name. */
  readonly files: readonly LabelledFile[];
  /** Display names of the classes, sorted; a class's index is its position. */
  readonly classes: readonly string[];
  readonly unused: readonly UnusedFile[];
  /** Files that `labels.csv` names but that do not exist. */
  readonly missing: readonly string[];
  /** Findings about the layout. */
  readonly warnings: readonly DatasetWarning[];
}

/** Opens the zip file or folder at a path. @throws AppError when there is neither */
export async function openImageSource(path: string, limits?: ArchiveLimits): Promise<ImageSource> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) {
    throw new AppError('invalid_request', `there is nothing at ${path}: give a folder of images or a zip file`);
  }
  return found.isDirectory() ? openFolder(path, limits) : openArchive(path, limits);
}

/**
 * Determines label and split of every image of a source. Tried in this order: a `labels.csv` above all images; `train`,
 * `val` and `test` folders, in any usual spelling, with a folder per class in each; a folder per class. Folders that only
 * wrap the others are stripped. Images deeper in the folder of a class belong to the class.
 * @throws AppError `dataset_layout` when no image gets a label or the table cannot be read; it says what would be right
 */
export async function readDataset(source: ImageSource): Promise<Dataset> {
  const unused: UnusedFile[] = source.ignored.map(({ name, reason }) => ({ name, reason }));
  const candidates: SourceFile[] = [];
  for (const file of source.files) {
    const reason = systemFileReason(file.name);
    if (reason === undefined) candidates.push(file);
    else unused.push({ name: file.name, reason });
  }

  const table = findTable(candidates);
  const labelled =
    table === undefined ? labelByFolders(candidates) : labelByTable(candidates, table, await readTable(source, table));
  unused.push(...labelled.unused);
  if (labelled.files.length === 0) {
    throw new AppError(
      'dataset_layout',
      `no labelled image was found among ${source.files.length} files: ${nestedHint(candidates)}${LAYOUT_HELP}`,
      {
        context: { files: source.files.length, examples: unused.slice(0, 10) },
      },
    );
  }
  const classes = [...new Set(labelled.files.map(({ label }) => label))].sort();
  return {
    layout: labelled.layout,
    files: labelled.files,
    classes,
    unused,
    missing: labelled.missing,
    warnings: [...labelled.warnings, ...unknownClasses(classes)],
  };
}

/** A zip of zips is a common mistake. It is not opened, since its parts could be anything. */
function nestedHint(files: readonly SourceFile[]): string {
  const nested = files.find(({ name }) => /\.(zip|tar|tgz|gz|7z|rar)$/i.test(name));
  return nested === undefined
    ? ''
    : `${JSON.stringify(nested.name)} is an archive itself and is not opened: unpack it; `;
}

/** The `labels.csv` whose folder holds every other file. */
function findTable(files: readonly SourceFile[]): SourceFile | undefined {
  return files.find(({ name }) => {
    const folder = name.slice(0, name.lastIndexOf('/') + 1);
    const isTable = name.slice(folder.length).toLowerCase() === 'labels.csv';
    return isTable && files.every((file) => file.name.startsWith(folder));
  });
}
