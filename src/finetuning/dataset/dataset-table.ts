import { AppError, messageOf } from '../../common/errors.ts';
import { type CsvRow, parseCsv } from './csv.ts';
import { type DatasetWarning, isImageName, type LabelledFile, labelText, type UnusedFile } from './dataset-layout.ts';
import type { ImageSource, SourceFile } from './image-source.ts';
import { type Split, splitOf } from './split-names.ts';

const FILE_COLUMNS = ['file', 'filename', 'file_name', 'image', 'path', 'name', 'id'];
const LABEL_COLUMNS = ['label', 'class', 'category'];
const SPLIT_COLUMNS = ['split', 'set', 'subset'];

/** 160 bytes for each of the most files that a data set may have. The whole table is in memory. */
const MAX_TABLE_BYTES = 16 * 1024 * 1024;

interface TableLabels {
  readonly layout: 'labels_csv';
  readonly files: readonly LabelledFile[];
  readonly unused: readonly UnusedFile[];
  readonly missing: readonly string[];
  readonly warnings: readonly DatasetWarning[];
}

interface Columns {
  readonly file: number;
  readonly label: number;
  readonly split: number;
}

/**
 * Labels images by `labels.csv`: columns file, label and optionally split, in this order or as the header names them. A
 * file is given by its path from the folder of the table, or by the end of its path if that is unique. If some rows
 * give a split, rows without one are for training.
 * @throws AppError `dataset_layout`, which names the line, when the table contradicts itself or cannot be parsed
 */
export function labelByTable(candidates: readonly SourceFile[], table: SourceFile, content: Buffer): TableLabels {
  const folder = table.name.slice(0, table.name.lastIndexOf('/') + 1);
  const find = fileFinder(candidates, folder);
  const { rows, columns } = withoutHeader(readRows(content));

  const labels = new Map<SourceFile, { label: string; split: Split | undefined; line: number }>();
  const named = new Set<SourceFile>([table]);
  const missing: string[] = [];
  for (const { line, cells } of rows) {
    const name = cells[columns.file] ?? '';
    const label = labelText(cells[columns.label] ?? '');
    const file = find(name, line);
    if (file === undefined) {
      missing.push(name);
      continue;
    }
    if (label === '') continue;
    const split = splitInRow(cells[columns.split] ?? '', line);
    const before = labels.get(file);
    if (before !== undefined && (before.label !== label || before.split !== split)) {
      throw wrong(
        line,
        `${JSON.stringify(name)} has another label or split on line ${before.line}: give each image one of each`,
      );
    }
    labels.set(file, { label, split, line });
    named.add(file);
  }

  const someSplit = [...labels.values()].some(({ split }) => split !== undefined);
  const files = candidates.flatMap((file) => {
    const found = labels.get(file);
    if (found === undefined) return [];
    return [{ file, label: found.label, split: found.split ?? (someSplit ? ('train' as const) : undefined) }];
  });
  const unused = candidates
    .filter((file) => !named.has(file))
    .map(({ name }) => ({
      name,
      reason: isImageName(name) ? ('not_in_labels_csv' as const) : ('not_an_image' as const),
    }));
  return { layout: 'labels_csv', files, unused, missing, warnings: [] };
}

/** Reads a table. @throws AppError `dataset_layout` when it is too large */
export async function readTable(source: Pick<ImageSource, 'read'>, table: SourceFile): Promise<Buffer> {
  if (table.bytes > MAX_TABLE_BYTES) {
    throw new AppError(
      'dataset_layout',
      `labels.csv has ${table.bytes} bytes, over the limit of ${MAX_TABLE_BYTES}: ` +
        'it needs only the columns file, label and split',
      { context: { limit: 'max_table_bytes', maximum: MAX_TABLE_BYTES, found: table.bytes } },
    );
  }
  return source.read(table);
}

function readRows(content: Buffer): CsvRow[] {
  try {
    // The decoder removes a byte-order mark.
    const text = new TextDecoder('utf-8', { fatal: true }).decode(content);
    return parseCsv(text);
  } catch (thrown) {
    const reason = readFault(thrown);
    throw new AppError('dataset_layout', `labels.csv cannot be read: ${reason}`, { cause: thrown });
  }
}

function readFault(thrown: unknown): string {
  if (thrown instanceof TypeError) return 'it is not text in UTF-8';
  // A cell with millions of quotes exhausts the stack of the regular expression.
  return thrown instanceof RangeError ? 'it is not a table: a cell has millions of quotes' : messageOf(thrown);
}

/** The first row is a header if it names file and label. Without one the columns are file, label, split. */
function withoutHeader(all: readonly CsvRow[]): { rows: readonly CsvRow[]; columns: Columns } {
  const [first, ...others] = all;
  const header = first?.cells.map((cell) => cell.toLowerCase()) ?? [];
  const columns = {
    file: header.findIndex((cell) => FILE_COLUMNS.includes(cell)),
    label: header.findIndex((cell) => LABEL_COLUMNS.includes(cell)),
    split: header.findIndex((cell) => SPLIT_COLUMNS.includes(cell)),
  };
  if (columns.file >= 0 && columns.label >= 0) return { rows: others, columns };
  const narrow = all.find(({ cells }) => cells.length < 2);
  if (narrow !== undefined)
    throw wrong(narrow.line, 'there is one column, but "file,label" or "file,label,split" is needed');
  return { rows: all, columns: { file: 0, label: 1, split: 2 } };
}

function fileFinder(
  candidates: readonly SourceFile[],
  folder: string,
): (name: string, line: number) => SourceFile | undefined {
  const byPath = new Map(candidates.map((file) => [file.name, file]));
  // Sorted by their reversed paths, files whose paths end alike are neighbours.
  let backwards: { readonly key: string; readonly file: SourceFile }[] | undefined;
  return (name, line) => {
    const path = name
      .normalize('NFC')
      .replaceAll('\\', '/')
      .replace(/^(\.?\/)+/, '');
    const exact = byPath.get(folder + path);
    if (exact !== undefined) return exact;
    backwards ??= candidates
      .map((file) => ({ key: reversed(file.name), file }))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
    const end = reversed(`/${path}`);
    const at = firstIndex(backwards, ({ key }) => key >= end);
    const [found, other] = backwards.slice(at, at + 2).filter(({ key }) => key.startsWith(end));
    if (found !== undefined && other !== undefined) {
      throw wrong(
        line,
        `${JSON.stringify(name)} fits several files, for example ${found.file.name} and ${other.file.name}: ` +
          'give its path from the folder of labels.csv',
      );
    }
    return found?.file;
  };
}

function reversed(text: string): string {
  return text.split('').reverse().join('');
}

/** Index of the first item that is accepted; all items behind it must be accepted too. */
function firstIndex<T>(items: readonly T[], accepts: (item: T) => boolean): number {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const item = items[middle];
    if (item !== undefined && accepts(item)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function splitInRow(cell: string, line: number): Split | undefined {
  if (cell === '') return undefined;
  const split = splitOf(cell);
  if (split === undefined) throw wrong(line, `the split is ${JSON.stringify(cell)}, but must be train, val or test`);
  return split;
}

function wrong(line: number, what: string): AppError {
  return new AppError('dataset_layout', `labels.csv, line ${line}: ${what}`, { context: { line } });
}
