import type { CsvRow } from './csv.ts';
import { isImageName } from './dataset-layout.ts';
import type { FileIndex } from './file-index.ts';
import { labelsInCells } from './label-cell.ts';
import { isSplitCell, type LabelTable, type LineError, splitInCell, synsetInCell } from './label-table.ts';
import { splitOf } from './split-names.ts';

const FILE_COLUMNS = new RegExp(
  '^(?:(?:(?:image|img|file|photo|picture)_?)?(?:file_?name|file_?path|path|name|id|file|uri|url)s?|' +
    'image|images|img|photo|picture|id_code|gcs_file_path)$',
);
/** Names of classes before their numbers. */
const LABEL_COLUMNS = [
  ...['class_name', 'label_name', 'category_name', 'labels_name', 'label', 'labels', 'class', 'classes'],
  ...['category', 'categories', 'breed', 'species', 'target', 'tag', 'tags', 'choice', 'annotation', 'diagnosis', 'dx'],
  ...[
    'choices',
    'variety',
    'type',
    'emotion',
    'class_label',
    'image_label',
    'label_id',
    'class_id',
    'category_id',
    'y',
  ],
];
/** Other names that end so are labels too: `Finding Labels`. Names of files may end so as well: these go first. */
const LABEL_ENDING = /_(?:labels?|class|category|species|breed|choices)$/;
/** Columns that may name several classes, separated by spaces. */
const PLURAL = /(?:labels|tags|classes|categories|choices)$/;
const BOX_COLUMNS = /^(?:bbox|boxes|bounding_box(?:es)?|(?:\w+_)?[xy]_?(?:min|max|1|2)|(?:left|top|right|bottom))$/;
const SPLIT_COLUMNS = ['split', 'set', 'subset'];
/** Only beside a column of labels: alone, synsets are the labels. */
const SYNSET_COLUMNS = /^(?:synset|wnid|wordnet)(?:_id)?$/;
/** These count only if every cell means a split. */
const MAYBE_SPLIT_COLUMNS = ['data_set', 'dataset', 'partition', 'usage', 'phase', 'ml_use', 'fold', 'mode'];

/** Rows that are enough to see which column has the files. */
const ROWS_TO_TRY = 200;

interface Columns {
  readonly file: number;
  readonly label: number;
  readonly split: number;
  /** -1 without such a column. */
  readonly synset?: number;
  /** Columns of further labels. */
  readonly others?: readonly number[];
}

/**
 * Reads a table whose header names the column of labels. The column of files is the one whose cells name the most
 * files; without any, the one that the header calls so.
 * @returns undefined when the table is not of this kind
 */
export function readNamedColumns(all: readonly CsvRow[], index: FileIndex, wrong: LineError): LabelTable | undefined {
  const [first, ...rows] = all;
  const header = first?.cells.map(plainHeader) ?? [];
  const labelName =
    LABEL_COLUMNS.find((name) => header.includes(name)) ??
    header.find((name) => LABEL_ENDING.test(name) && !FILE_COLUMNS.test(name));
  if (labelName === undefined) return undefined;
  const label = header.indexOf(labelName);
  const split = header.findIndex(
    (name, column) => SPLIT_COLUMNS.includes(name) || (MAYBE_SPLIT_COLUMNS.includes(name) && onlySplits(rows, column)),
  );
  const named = (column: number) => FILE_COLUMNS.test(header[column] ?? '');
  const hits = header.map((_, column) => (column === label || column === split ? -1 : matches(rows, column, index)));
  const most = Math.max(...hits);
  const best = hits.findIndex((count, column) => count === most && named(column));
  const file = best >= 0 ? best : most > 0 ? hits.indexOf(most) : header.findIndex((_, column) => named(column));
  if (file < 0 || file === label) return undefined;
  const synset = header.findIndex((name) => SYNSET_COLUMNS.test(name));
  return tableOf(rows, { file, label, split, synset }, first?.cells, wrong);
}

/** `Image ID` and `imageId` as `image_id`. */
function plainHeader(cell: string): string {
  return cell
    .replaceAll(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replace(/^_|_$/g, '');
}

/**
 * Reads a table by the content of its columns: one names files, one may give splits, and the label is beside the file.
 * With a header there must be one other column, apart from the numbers of rows that pandas writes. Google AutoML's
 * tables without header are of this kind: `TRAIN,gs://bucket/1.jpg,cat`.
 * @returns undefined when no column names files, or none is left for the label
 * @throws AppError when several columns may be the label
 */
export function readUnnamedColumns(all: readonly CsvRow[], index: FileIndex, wrong: LineError): LabelTable | undefined {
  const columns = Array.from({ length: Math.max(0, ...all.map(({ cells }) => cells.length)) }, (_, column) => column);
  const hits = columns.map((column) => matches(all, column, index));
  const most = Math.max(0, ...hits);
  if (most === 0) return undefined;
  const file = hits.indexOf(most);
  const [first, ...others] = all;
  const name = first?.cells[file] ?? '';
  const namesNoFile = index.finder(all.map(({ cells }) => cells[file] ?? ''))(name).length === 0;
  const hasHeader = namesNoFile && !isImageName(name) && others.length > 0;
  const rows = hasHeader ? others : all;
  const split = columns.findIndex((column) => column !== file && onlySplits(rows, column));
  const rest = columns.filter((column) => column !== file && column !== split && !isCounter(rows, column));
  if (!hasHeader) {
    const label = rest.find((column) => column > file) ?? rest[0];
    if (label === undefined) return undefined;
    const next = file === 0 && label === 1 ? 2 : -1;
    // Google AutoML writes further labels, or the corners of a box, behind the first one.
    const others = split === 0 && file === 1 ? rest.filter((column) => column > label) : [];
    const corners = others.filter((column) => onlyNumbers(rows, column));
    const table = tableOf(rows, { file, label, split: split < 0 ? next : split, others }, undefined, wrong);
    return corners.length < 2 ? table : { ...table, boxes: corners.map((column) => String(column + 1)) };
  }
  const [label, ...more] = rest;
  if (more.length > 0) {
    const names = rest.map((column) => JSON.stringify(first?.cells[column] ?? '')).join(', ');
    throw wrong(
      first?.line ?? 1,
      `column ${JSON.stringify(name)} names images, but any of ${names.slice(0, 200)} may be the label: call ` +
        'it "label"',
    );
  }
  return label === undefined ? undefined : tableOf(rows, { file, label, split }, first?.cells, wrong);
}

/** Reads a table as file, label and split, in this order and without header. */
export function readFixedColumns(rows: readonly CsvRow[], wrong: LineError): LabelTable {
  const narrow = rows.find(({ cells }) => cells.length < 2);
  if (narrow !== undefined) {
    throw wrong(narrow.line, 'there is one column, but "file,label" or "file,label,split" is needed');
  }
  return tableOf(rows, { file: 0, label: 1, split: 2 }, undefined, wrong);
}

function tableOf(
  rows: readonly CsvRow[],
  { file, label, split, synset = -1, others = [] }: Columns,
  header: readonly string[] | undefined,
  wrong: LineError,
): LabelTable {
  const nameOf = (column: number) => header?.[column] ?? String(column + 1);
  const labels = labelsInCells(
    rows.map(({ cells }) => cells[label] ?? ''),
    PLURAL.test(plainHeader(nameOf(label))),
  );
  return {
    columns: { file: nameOf(file), label: nameOf(label) },
    boxes: (header ?? []).filter((name) => BOX_COLUMNS.test(plainHeader(name))),
    rows: rows.map(({ line, cells }, index) => ({
      line,
      name: cells[file] ?? '',
      labels: [...(labels[index] ?? []), ...others.map((column) => cells[column] ?? '').filter(isText)],
      split: splitInCell(cells[split] ?? '', line, wrong),
      ...(synset >= 0 && { synset: synsetInCell(cells[synset] ?? '', line, wrong) }),
    })),
  };
}

/** How many of the first rows name a file in a column. A name that fits several files counts for less. */
function matches(rows: readonly CsvRow[], column: number, index: FileIndex): number {
  const names = rows.slice(0, ROWS_TO_TRY).map(({ cells }) => cells[column] ?? '');
  const find = index.finder(names);
  return names.reduce((sum, name) => sum + 1 / (find(name).length || Number.POSITIVE_INFINITY), 0);
}

function isText(cell: string): boolean {
  return cell !== '' && Number.isNaN(Number(cell));
}

function onlyNumbers(rows: readonly CsvRow[], column: number): boolean {
  return (
    rows.every(({ cells }) => !isText(cells[column] ?? '')) && rows.some(({ cells }) => (cells[column] ?? '') !== '')
  );
}

function onlySplits(rows: readonly CsvRow[], column: number): boolean {
  return (
    rows.some(({ cells }) => splitOf(cells[column] ?? '') !== undefined) &&
    rows.every(({ cells }) => (cells[column] ?? '') === '' || isSplitCell(cells[column] ?? ''))
  );
}

/** Whether a column counts the rows, from any number. */
function isCounter(rows: readonly CsvRow[], column: number): boolean {
  const start = Number(rows[0]?.cells[column] || Number.NaN);
  return rows.length > 2 && rows.every(({ cells }, index) => cells[column] === String(start + index));
}
