import { AppError } from '../../common/errors.ts';
import { type DatasetWarning, isImageName } from './dataset-layout.ts';
import type { SourceFile } from './image-source.ts';
import { baseName, type FoundTable, readLabelTable, type TableReading } from './read-label-table.ts';
import { matchedNothing } from './table-warnings.ts';

/** Data sets have a table for each split, and perhaps a few more. */
const MAX_TABLES = 20;
const TABLE = /\.(?:csv|tsv|jsonl|ndjson)$/i;
/** Files that may have labels, or anything else. */
const DOCUMENT = /\.(?:json|labels|txt|lst)$/i;

/** The `labels.csv` whose folder holds every other file. It decides, whatever the folders are called. */
export function mainTable(files: readonly SourceFile[]): SourceFile | undefined {
  return files.find((file) => {
    const folder = file.name.slice(0, file.name.lastIndexOf('/') + 1);
    return baseName(file).toLowerCase() === 'labels.csv' && files.every(({ name }) => name.startsWith(folder));
  });
}

/** Tables that have labels, and a warning for each that cannot be read. */
interface FoundTables {
  readonly tables: readonly FoundTable[];
  readonly unreadable: readonly DatasetWarning[];
}

/** Reads the other files that may be tables of labels, without samples of submissions for competitions. */
export async function otherTables(reading: TableReading): Promise<FoundTables> {
  const tables: FoundTable[] = [];
  const unreadable: DatasetWarning[] = [];
  for (const file of shallowest(reading.files, TABLE)) {
    try {
      const table = await readLabelTable(reading, file, false);
      if (table !== undefined) tables.push(table);
    } catch (thrown) {
      if (!(thrown instanceof AppError)) throw thrown;
      unreadable.push(tableNotUsed(thrown));
    }
  }
  return { tables, unreadable };
}

/**
 * Reads the JSON documents and text files that label images: exports of Label Studio, `train.txt` with a file and a
 * label in each line. Others of their kind say something else, so those that name no image are passed over, unless
 * they list images that are not there.
 */
export async function labelDocuments(reading: TableReading): Promise<readonly FoundTable[]> {
  const tables: FoundTable[] = [];
  for (const file of shallowest(reading.files, DOCUMENT)) {
    try {
      const table = await readLabelTable(reading, file, false);
      if (table !== undefined && (!matchedNothing(table) || listsImages(table))) tables.push(table);
    } catch (thrown) {
      if (!(thrown instanceof AppError)) throw thrown;
    }
  }
  return tables;
}

function listsImages({ rows }: FoundTable): boolean {
  return rows.length > 0 && rows.every(({ name }) => isImageName(name));
}

/** The first files of a kind, those with the fewest folders around them first. */
export function shallowest(files: readonly SourceFile[], kind: RegExp): readonly SourceFile[] {
  const depth = ({ name }: SourceFile) => name.split('/').length;
  return files
    .filter(({ name }) => kind.test(name) && !/submi/i.test(name))
    .sort((a, b) => depth(a) - depth(b))
    .slice(0, MAX_TABLES);
}

/** The warning for tables that have a fault, where the labels come from the folders. */
export function tableNotUsed(fault: AppError): DatasetWarning {
  return { code: 'table_not_used', message: `a table is not used: ${fault.message}`, context: fault.context ?? {} };
}
