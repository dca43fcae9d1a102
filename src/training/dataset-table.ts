import { AppError, messageOf } from '../errors.ts';
import { type CsvRow, parseCsv } from './csv.ts';
import { isImageName, type LabelledFile, labelText, type Split, splitOf, type UnusedFile } from './dataset-layout.ts';
import type { SourceFile } from './image-source.ts';

const FILE_COLUMNS = ['file', 'filename', 'file_name', 'image', 'path', 'name', 'id'];
const LABEL_COLUMNS = ['label', 'class', 'category'];
const SPLIT_COLUMNS = ['split', 'set', 'subset'];

interface TableLabels {
  readonly layout: 'labels_csv';
  readonly files: readonly LabelledFile[];
  readonly unused: readonly UnusedFile[];
  readonly missing: readonly string[];
}

interface Columns {
  readonly file: number;
  readonly label: number;
  readonly split: number;
}

/**
 * Labels images by `labels.csv`: columns file, label and, if there is one, split, in this order or as a header names
 * them. A file is given by its path from the table's folder, or by the end of its path where that is unique.
 * Once a row gives a split, rows without one are for training.
 * @throws AppError `dataset_layout` that names the line when the table contradicts itself or cannot be read
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
        `${JSON.stringify(name)} was given as ${JSON.stringify(before.label)} on line ${before.line} and is given otherwise here: an image has one label and one split`,
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
  return { layout: 'labels_csv', files, unused, missing };
}

function readRows(content: Buffer): CsvRow[] {
  try {
    // The decoder takes a byte-order mark away.
    const text = new TextDecoder('utf-8', { fatal: true }).decode(content);
    return parseCsv(text.replaceAll('\r\n', '\n'));
  } catch (thrown) {
    const reason = thrown instanceof TypeError ? 'it is not text in UTF-8' : messageOf(thrown);
    throw new AppError('dataset_layout', `labels.csv cannot be read: ${reason}`, { cause: thrown });
  }
}

/** The first row is a header when it names both columns; else the columns are file, label, split. */
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
    throw wrong(narrow.line, 'there is one column; "file,label" is needed, and ",split" may follow');
  return { rows: all, columns: { file: 0, label: 1, split: 2 } };
}

function fileFinder(
  candidates: readonly SourceFile[],
  folder: string,
): (name: string, line: number) => SourceFile | undefined {
  const byPath = new Map(candidates.map((file) => [file.name, file]));
  const byEnd = new Map<string, SourceFile[]>();
  for (const file of candidates) {
    const end = file.name.slice(file.name.lastIndexOf('/') + 1);
    const others = byEnd.get(end);
    if (others === undefined) byEnd.set(end, [file]);
    else others.push(file);
  }
  return (name, line) => {
    const path = name
      .normalize('NFC')
      .replaceAll('\\', '/')
      .replace(/^(\.?\/)+/, '');
    const exact = byPath.get(folder + path);
    if (exact !== undefined) return exact;
    const sameEnd = byEnd.get(path.slice(path.lastIndexOf('/') + 1)) ?? [];
    const matching = sameEnd.filter((file) => file.name.endsWith(`/${path}`));
    if (matching.length > 1) {
      throw wrong(
        line,
        `${JSON.stringify(name)} fits ${matching.length} files, such as ${matching[0]?.name} and ${matching[1]?.name}: give its path from the table's folder`,
      );
    }
    return matching[0];
  };
}

function splitInRow(cell: string, line: number): Split | undefined {
  if (cell === '') return undefined;
  const split = splitOf(cell);
  if (split === undefined) throw wrong(line, `the split is ${JSON.stringify(cell)}: train, val or test would be right`);
  return split;
}

function wrong(line: number, what: string): AppError {
  return new AppError('dataset_layout', `labels.csv, line ${line}: ${what}`, { context: { line } });
}
