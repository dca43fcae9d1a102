import { AppError, messageOf } from '../../common/errors.ts';
import { readFixedColumns, readNamedColumns, readUnnamedColumns } from './column-table.ts';
import { type CsvRow, parseCsv } from './csv.ts';
import { FileIndex } from './file-index.ts';
import type { ImageSource, SourceFile } from './image-source.ts';
import { parseJsonLines } from './json-lines.ts';
import { type LabelTable, lineErrors, type TableRow } from './label-table.ts';
import { readOneHotTable } from './one-hot-table.ts';
import { tableText } from './table-text.ts';

/** 160 bytes for each of the most files that a data set may have. The whole table is in memory. */
const MAX_TABLE_BYTES = 16 * 1024 * 1024;

/** A file with labels, and what it says. */
export interface FoundTable {
  readonly file: SourceFile;
  readonly columns: LabelTable['columns'];
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

/**
 * Reads the labels in a table, in whatever dialect.
 * @param files the files that the table may name
 * @param certain whether the file is known to be a table of labels; if so, its columns are file, label and split where
 * nothing else shows which they are
 * @returns undefined when the table has no labels
 * @throws AppError `dataset_layout`, which names the line, when it cannot be parsed or is too large
 */
export async function readLabelTable(
  source: Pick<ImageSource, 'read'>,
  file: SourceFile,
  files: readonly SourceFile[],
  certain: boolean,
): Promise<FoundTable | undefined> {
  const wrong = lineErrors(baseName(file));
  const rows = rowsOf(await contentOf(source, file), file);
  const index = new FileIndex(files, file.name.slice(0, file.name.lastIndexOf('/') + 1));
  const table =
    readNamedColumns(rows, index, wrong) ??
    readOneHotTable(rows) ??
    readUnnamedColumns(rows, index, wrong) ??
    (certain ? readFixedColumns(rows, wrong) : undefined);
  if (table === undefined) return undefined;
  const find = index.finder(table.rows.map(({ name }) => name));
  return { file, columns: table.columns, rows: table.rows.map((row) => ({ ...row, files: find(row.name) })) };
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

function rowsOf(content: Buffer, file: SourceFile): CsvRow[] {
  try {
    const text = tableText(content);
    return /\.(?:jsonl|ndjson)$/i.test(file.name) ? parseJsonLines(text) : parseCsv(text);
  } catch (thrown) {
    throw new AppError('dataset_layout', `${baseName(file)} cannot be read: ${readFault(thrown)}`, { cause: thrown });
  }
}

function readFault(thrown: unknown): string {
  if (thrown instanceof TypeError) return 'it is not text in UTF-8 or UTF-16';
  // A cell with millions of quotes exhausts the stack of the regular expression.
  return thrown instanceof RangeError ? 'it is not a table: a cell has millions of quotes' : messageOf(thrown);
}
