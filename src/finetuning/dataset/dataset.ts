import { stat } from 'node:fs/promises';
import { AppError } from '../../common/errors.ts';
import { openArchive } from './archive.ts';
import { labelByFolders } from './dataset-folders.ts';
import {
  type DatasetWarning,
  isImageName,
  LAYOUT_HELP,
  type LabelledFile,
  systemFileReason,
  type UnusedFile,
} from './dataset-layout.ts';
import { mainTable, matchedNothing, nothingMatched, otherTables, tableNotUsed } from './find-tables.ts';
import { openFolder } from './folder.ts';
import type { ArchiveLimits, ImageSource, SourceFile } from './image-source.ts';
import { labelByFileNames } from './label-by-file-names.ts';
import { labelByTables } from './label-by-tables.ts';
import { namesDecoded, unknownClasses } from './layout-warnings.ts';
import { readLabelTable } from './read-label-table.ts';

/** The labelled images of a source, before any image is read. */
export interface Dataset {
  readonly layout: 'folders' | 'split_folders' | 'table' | 'file_names';
  /** Sorted by name. */
  readonly files: readonly LabelledFile[];
  /** Display names of the classes, sorted; a class's index is its position. */
  readonly classes: readonly string[];
  readonly unused: readonly UnusedFile[];
  /** Files that tables name but that do not exist. */
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
 * Determines label and split of every image of a source. Tried in this order: tables of labels; `train`, `val` and
 * `test` folders, in any usual spelling, with a folder per class in each; a folder per class; the names of the files.
 * Folders that only wrap the others are stripped. Images deeper in the folder of a class belong to the class.
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

  const labelled = await labelledFiles(source, candidates);
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
    warnings: [...labelled.warnings, ...unknownClasses(classes), ...namesDecoded(source)],
  };
}

/** A zip of zips is a common mistake. It is not opened, since its parts could be anything. */
function nestedHint(files: readonly SourceFile[]): string {
  const nested = files.find(({ name }) => /\.(zip|tar|tgz|gz|7z|rar)$/i.test(name));
  return nested === undefined
    ? ''
    : `${JSON.stringify(nested.name)} is an archive itself and is not opened: unpack it; `;
}

type Labels = Pick<Dataset, 'layout' | 'files' | 'unused' | 'missing' | 'warnings'>;

/**
 * Labels by a `labels.csv` above all images; else by other tables, if they label half of the images or the folders are
 * no classes; else by folders; else by the names of the files.
 */
async function labelledFiles(source: ImageSource, candidates: readonly SourceFile[]): Promise<Labels> {
  const main = mainTable(candidates);
  if (main !== undefined) {
    const table = await readLabelTable(source, main, candidates, true);
    if (table === undefined) throw new Error('a table that is known to have labels was not read');
    if (matchedNothing(table)) throw refusal(nothingMatched(table, candidates));
    return labelByTables(candidates, [table]);
  }

  const byFolders = labelByFolders(candidates);
  const { tables, unreadable } = await otherTables(source, candidates);
  const matching = tables.filter((table) => !matchedNothing(table));
  const warnings = [...unreadable, ...tables.filter(matchedNothing).map((table) => nothingMatched(table, candidates))];
  const doubtful =
    new Set(byFolders.files.map(({ label }) => label)).size < 2 ||
    byFolders.warnings.some(({ code }) => code === 'looks_like_splits');
  if (matching.length === 0) {
    const [warning] = warnings;
    if (doubtful && warning !== undefined) throw refusal(warning);
    const byNames = doubtful ? labelByFileNames(candidates) : undefined;
    return byNames ?? { ...byFolders, warnings: [...byFolders.warnings, ...warnings] };
  }
  try {
    const byTables = labelByTables(candidates, matching);
    const images = candidates.filter(({ name }) => isImageName(name)).length;
    if (doubtful || byTables.files.length * 2 >= images) return { ...byTables, warnings };
  } catch (thrown) {
    if (doubtful || !(thrown instanceof AppError)) throw thrown;
    warnings.push(tableNotUsed(thrown));
  }
  return { ...byFolders, warnings: [...byFolders.warnings, ...warnings] };
}

function refusal({ message, context }: DatasetWarning): AppError {
  return new AppError('dataset_layout', message, { context });
}
