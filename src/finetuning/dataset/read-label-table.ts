import { AppError, messageOf } from '../../common/errors.ts';
import { readFixedColumns, readNamedColumns, readUnnamedColumns } from './column-table.ts';
import { type CsvRow, parseCsv } from './csv.ts';
import { FileIndex } from './file-index.ts';
import type { ImageSource, SourceFile } from './image-source.ts';
import { parseJsonLines } from './json-lines.ts';
import { parseJsonTable } from './json-table.ts';
import { type LabelTable, lineErrors, type TableRow } from './label-table.ts';
import { readOneHotTable } from './one-hot-table.ts';
import { tableText } from './table-text.ts';
import type { TextEncoding } from './text-encoding.ts';
import { parseTextList } from './text-list.ts';

/** 160 bytes for each of the most files that a data set may have. The whole table is in memory. */
const MAX_TABLE_BYTES = 16 * 1024 * 1024;

/** A file with labels, and what it says. */
export interface FoundTable {
  readonly file: SourceFile;
  readonly columns: LabelTable['columns'];
  readonly boxes: LabelTable['boxes'];
  /** The encoding that it was read in, where it was detected. */
  readonly encoding: TextEncoding | undefined;
  /** The rows, each with the files that its name may mean. */
  readonly rows: readonly FoundRow[];
}

export interface FoundRow extends TableRow {
  readonly files: readonly SourceFile[];
}

/** The name of a file without its folders. */
export function baseName({ name }: SourceFile): string {
  return name.slice(name.lastIndexOf('/') + 1);
}

/** How tables are read. */
export interface TableReading {
  /** Reads the content of a file. */
  readonly source: Pick<ImageSource, 'read'>;
  /** The files that a table may name. */
  readonly files: readonly SourceFile[];
  /** The encoding of tables that are not Unicode; detected when it is not given. */
  readonly encoding: TextEncoding | undefined;
}

/**
 * Reads the labels in a table, in whatever dialect.
 * @param certain whether the file is known to be a table of labels; if so, its columns are file, label and split where
 * nothing else shows which they are
 * @returns undefined when the table has no labels
 * @throws AppError `dataset_layout`, which names the line, when it cannot be parsed or is too large
 */
export async function readLabelTable(
  reading: TableReading,
  file: SourceFile,
  certain: boolean,
): Promise<FoundTable | undefined> {
  const wrong = lineErrors(baseName(file));
  const { rows, encoding } = await readRows(reading, file);
  const index = new FileIndex(reading.files, file.name.slice(0, file.name.lastIndexOf('/') + 1));
  const table =
    readNamedColumns(rows, index, wrong) ??
    readOneHotTable(rows) ??
    readUnnamedColumns(rows, index, wrong) ??
    (certain ? readFixedColumns(rows, wrong) : undefined);
  if (table === undefined) return undefined;
  const find = index.finder(table.rows.map(({ name }) => name));
  return { ...table, file, encoding, rows: table.rows.map((row) => ({ ...row, files: find(row.name) })) };
}

/** The rows of a table or list. @throws AppError `dataset_layout` when it cannot be parsed or is too large */
export async function readRows(
  { source, encoding }: Pick<TableReading, 'source' | 'encoding'>,
  file: SourceFile,
): Promise<{ readonly rows: readonly CsvRow[]; readonly encoding: TextEncoding | undefined }> {
  const content = await contentOf(source, file);
  try {
    const { text, detected } = tableText(content, encoding);
    return { rows: parserFor(file)(text), encoding: detected };
  } catch (thrown) {
    throw new AppError('dataset_layout', `${baseName(file)} cannot be read: ${readFault(thrown, encoding)}`, {
      cause: thrown,
    });
  }
}

function parserFor({ name }: SourceFile): (text: string) => readonly CsvRow[] {
  if (/\.(?:jsonl|ndjson)$/i.test(name)) return parseJsonLines;
  if (/\.(?:json|labels)$/i.test(name)) return (text) => parseJsonTable(text) ?? [];
  return /\.(?:txt|lst)$/i.test(name) ? parseTextList : parseCsv;
}

async function contentOf(source: Pick<ImageSource, 'read'>, file: SourceFile): Promise<Buffer> {
  if (file.bytes > MAX_TABLE_BYTES) {
    throw new AppError(
      'dataset_layout',
      `${baseName(file)} has ${file.bytes} bytes, over the limit of ${MAX_TABLE_BYTES}: ` +
        'it needs only the columns file, label and split',
      { context: { limit: 'max_table_bytes', maximum: MAX_TABLE_BYTES, found: file.bytes } },
    );
  }
  return source.read(file);
}

function readFault(thrown: unknown, encoding: TextEncoding | undefined): string {
  if (thrown instanceof TypeError) return `it is no text in ${encoding ?? 'any known encoding'}, UTF-8 or UTF-16`;
  // A cell with millions of quotes exhausts the stack of the regular expression.
  return thrown instanceof RangeError ? 'it is not a table: a cell has millions of quotes' : messageOf(thrown);
}
