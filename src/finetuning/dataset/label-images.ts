import { AppError } from '../../common/errors.ts';
import { labelByFolders } from './dataset-folders.ts';
import { type DatasetWarning, isImage, type LabelledImages, refusal } from './dataset-layout.ts';
import { labelDocuments, mainTable, otherTables, tableNotUsed } from './find-tables.ts';
import { filesNotRead, foreignDataset } from './foreign-dataset.ts';
import { labelByFileNames } from './label-by-file-names.ts';
import { labelByTables } from './label-by-tables.ts';
import { type FoundTable, readLabelTable, type TableReading } from './read-label-table.ts';
import { splitByLists } from './split-by-lists.ts';
import { matchedNothing, nothingMatched } from './table-warnings.ts';

/**
 * Labels by a `labels.csv` above all images; else by other tables, if they label half of the images or the folders are
 * no classes; else by folders. Where these are no classes, by JSON documents and text files, and then by the names of
 * the files.
 * @throws AppError `dataset_layout` when a table is wrong, or the data set is of a kind that gives images no labels
 */
export async function labelImages(reading: TableReading): Promise<LabelledImages> {
  const { files } = reading;
  const main = mainTable(files);
  if (main !== undefined) {
    const table = await readLabelTable(reading, main, true);
    if (table === undefined) throw new Error('a table that is known to have labels was not read');
    if (matchedNothing(table)) throw refusal(nothingMatched(table, files));
    return labelByTables(files, [table]);
  }

  const byFolders = labelByFolders(files);
  const { tables, unreadable } = await otherTables(reading);
  const matching = tables.filter((table) => !matchedNothing(table));
  const warnings = [...unreadable, ...tables.filter(matchedNothing).map((table) => nothingMatched(table, files))];
  const doubtful =
    new Set(byFolders.files.map(({ label }) => label)).size < 2 ||
    byFolders.warnings.some(({ code }) => code === 'looks_like_splits');
  if (matching.length > 0) {
    try {
      const byTables = labelByTables(files, matching);
      const images = files.filter(isImage).length;
      if (doubtful || byTables.files.length * 2 >= images) {
        return { ...byTables, warnings: [...byTables.warnings, ...warnings] };
      }
    } catch (thrown) {
      if (doubtful || !(thrown instanceof AppError)) throw thrown;
      warnings.push(tableNotUsed(thrown));
    }
  } else if (doubtful) return await labelOtherwise(reading, byFolders, warnings);
  return await withListedSplits(reading, { ...byFolders, warnings: [...byFolders.warnings, ...warnings] });
}

/** Labels where neither tables nor folders give classes. @param faults what is wrong with the tables */
async function labelOtherwise(
  reading: TableReading,
  byFolders: LabelledImages,
  faults: readonly DatasetWarning[],
): Promise<LabelledImages> {
  const { files } = reading;
  const documents = await labelDocuments(reading);
  const matching: readonly FoundTable[] = documents.filter((table) => !matchedNothing(table));
  if (matching.length > 0) {
    const byDocuments = labelByTables(files, matching);
    if (new Set(byDocuments.files.map(({ label }) => label)).size > 1) return byDocuments;
  }
  const foreign = await foreignDataset(reading);
  if (foreign?.code === 'detection_dataset') throw refusal(foreign);
  const unmatched = documents.filter(matchedNothing).map((table) => nothingMatched(table, files));
  const [fault] = [...faults, ...unmatched];
  if (fault !== undefined) throw refusal(fault);
  const byNames = labelByFileNames(files);
  if (byNames !== undefined) return { ...byNames, warnings: [...byNames.warnings, ...filesNotRead(files)] };
  if (foreign !== undefined) throw refusal(foreign);
  return byFolders;
}

async function withListedSplits(reading: TableReading, labels: LabelledImages): Promise<LabelledImages> {
  if (labels.layout !== 'folders') return labels;
  const listed = await splitByLists(reading, labels.files);
  if (listed === undefined) return labels;
  return {
    ...labels,
    layout: 'split_folders',
    files: listed.files,
    unused: [...labels.unused, ...listed.unused],
    warnings: [...labels.warnings, ...listed.warnings],
  };
}
