import { AppError } from '../../common/errors.ts';
import { synsetSchema } from '../../registry/manifest.ts';
import { type Split, splitOf } from './split-names.ts';

/** What a table says about one file. */
export interface TableRow {
  /** From 1. */
  readonly line: number;
  /** The file as the table gives it. */
  readonly name: string;
  /** None where the row gives none, and several where it names several classes. */
  readonly labels: readonly string[];
  /** Undefined where the row gives none. */
  readonly split: Split | undefined;
  /** WordNet synset of the label; undefined where the row gives none. */
  readonly synset?: string | undefined;
}

/** The labels of a table, as the reader of its dialect found them. */
export interface LabelTable {
  /** Names of the columns that were taken: those of the header, else numbers. */
  readonly columns: { readonly file: string; readonly label: string };
  /** Names of columns with the edges of boxes; none in most tables. */
  readonly boxes: readonly string[];
  readonly rows: readonly TableRow[];
}

/** The error for a line of a table. */
export type LineError = (line: number, what: string) => AppError;

/** @param table the name of the table's file, without folders */
export function lineErrors(table: string): LineError {
  return (line, what) => new AppError('dataset_layout', `${table}, line ${line}: ${what}`, { context: { line } });
}

/** Google's `UNASSIGNED` leaves the split to the training. */
const NO_SPLIT = /^(?:|unassigned|none|nan)$/i;

/** The split in a cell. @throws AppError when the cell means none */
export function splitInCell(cell: string, line: number, wrong: LineError): Split | undefined {
  if (NO_SPLIT.test(cell)) return undefined;
  const split = splitOf(cell);
  if (split === undefined) throw wrong(line, `the split is ${JSON.stringify(cell)}, but must be train, val or test`);
  return split;
}

/** The synset in a cell, such as `n02219486`. @throws AppError when the cell is something else */
export function synsetInCell(cell: string, line: number, wrong: LineError): string | undefined {
  if (cell === '') return undefined;
  const parsed = synsetSchema.safeParse(cell);
  if (parsed.success) return parsed.data;
  throw wrong(
    line,
    `the synset is ${JSON.stringify(cell)}, but must be one of WordNet 3.0, such as n02219486, or empty`,
  );
}

/** Whether a cell of a table without header names a split, or leaves it open. */
export function isSplitCell(cell: string): boolean {
  return cell !== '' && (NO_SPLIT.test(cell) || splitOf(cell) !== undefined);
}
