import { AppError } from '../../common/errors.ts';
import { type DatasetWarning, isImageName } from './dataset-layout.ts';
import type { ImageSource, SourceFile } from './image-source.ts';
import { baseName, type FoundTable, readLabelTable } from './read-label-table.ts';

/** Data sets have a table for each split, and perhaps a few more. */
const MAX_TABLES = 20;
const MAX_EXAMPLES = 5;

/** The `labels.csv` whose folder holds every other file. It decides, whatever the folders are called. */
export function mainTable(files: readonly SourceFile[]): SourceFile | undefined {
  return files.find((file) => {
    const folder = file.name.slice(0, file.name.lastIndexOf('/') + 1);
    return baseName(file).toLowerCase() === 'labels.csv' && files.every(({ name }) => name.startsWith(folder));
  });
}

/**
 * Reads the other files that may be tables of labels, without samples of submissions for competitions.
 * @returns those that have labels, and a warning for each that cannot be read
 */
export async function otherTables(
  source: Pick<ImageSource, 'read'>,
  files: readonly SourceFile[],
): Promise<{ tables: readonly FoundTable[]; unreadable: readonly DatasetWarning[] }> {
  const depth = ({ name }: SourceFile) => name.split('/').length;
  const candidates = files
    .filter(({ name }) => /\.(?:csv|tsv|jsonl|ndjson)$/i.test(name) && !/submi/i.test(name))
    .sort((a, b) => depth(a) - depth(b));
  const tables: FoundTable[] = [];
  const unreadable: DatasetWarning[] = [];
  for (const file of candidates.slice(0, MAX_TABLES)) {
    try {
      const table = await readLabelTable(source, file, files, false);
      if (table !== undefined) tables.push(table);
    } catch (thrown) {
      if (!(thrown instanceof AppError)) throw thrown;
      unreadable.push(tableNotUsed(thrown));
    }
  }
  return { tables, unreadable };
}

/** The warning for tables that have a fault, where the labels come from the folders. */
export function tableNotUsed(fault: AppError): DatasetWarning {
  return { code: 'table_not_used', message: `a table is not used: ${fault.message}`, context: fault.context ?? {} };
}

/** Whether no row of a table names a file of the data set. */
export function matchedNothing({ rows }: FoundTable): boolean {
  return rows.every(({ files }) => files.length === 0);
}

/** What is wrong with a table that names no file of the data set: the columns that were taken, and names. */
export function nothingMatched(table: FoundTable, files: readonly SourceFile[]): DatasetWarning {
  const { columns, rows } = table;
  const names = rows.slice(0, MAX_EXAMPLES).map(({ name }) => name.slice(0, 200));
  const images = files.filter(({ name }) => isImageName(name)).slice(0, MAX_EXAMPLES);
  const listed = (items: readonly string[]) => items.map((item) => JSON.stringify(item)).join(', ');
  return {
    code: 'table_matched_nothing',
    message:
      `${table.file.name} matches no file: the files were taken from column ${JSON.stringify(columns.file)}, the ` +
      `labels from ${JSON.stringify(columns.label)}, and none of its ${rows.length} rows names an image of the data ` +
      `set, for example ${listed(names)}; the images are called ${listed(images.map(({ name }) => name))}`,
    context: { table: table.file.name, columns, rows: rows.length, matched: 0, unmatched: names },
  };
}
