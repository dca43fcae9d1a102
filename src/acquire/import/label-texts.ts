import type { Label } from '../../registry/manifest.ts';

/** Share of zero bytes from which text is taken for UTF-16 without a byte order mark. */
const UTF16_ZEROS = 0.3;

/** Decodes a text file: UTF-8 or UTF-16 with or without a byte order mark, else Windows-1252, a superset of Latin-1. */
export function decodeText(bytes: Uint8Array): string {
  const [first, second] = bytes;
  if (first === 0xfe && second === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  const zeros = bytes.reduce((sum, byte) => sum + (byte === 0 ? 1 : 0), 0);
  if ((first === 0xff && second === 0xfe) || zeros > UTF16_ZEROS * bytes.length) {
    return new TextDecoder(first === 0 ? 'utf-16be' : 'utf-16le').decode(bytes);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}

/** A line of ImageNet's `synset_words.txt`, such as `n01440764 tench, Tinca tinca`. */
const SYNSET_LINE = /^(n\d{8})\s+(\S.*)$/;
/** A line of Teachable Machine's `labels.txt`, such as `0 Cup`. */
const INDEX_LINE = /^(\d+)[\s:]+(\S.*)$/;

/** Reads a label a line, each after its synset or its index when all lines have one. */
export function labelsFromLines(text: string): Label[] {
  const lines = text
    .trimEnd()
    .split(/\r\n?|\n/)
    .map((line) => line.trim());
  const synsets = lines.map((line) => SYNSET_LINE.exec(line));
  if (synsets.every((match) => match !== null)) {
    return synsets.map(([, synset = '', label = '']) => ({ label, synset }));
  }
  const indexed = lines.map((line) => INDEX_LINE.exec(line));
  if (indexed.every((match, index) => match !== null && Number(match[1]) === index)) {
    return indexed.map((match) => ({ label: match?.[2] ?? '' }));
  }
  return lines.map((label) => ({ label }));
}

/** Names of the column with the labels, in the order of preference. */
const LABEL_COLUMNS = /^(?:label|labels|class_?name|class|classes|name|names|category|breed|species)$/i;
const WHOLE = /^\d+$/;

/**
 * Reads a table with a row for each class: commas, semicolons or tabs. A column of the numbers 0, 1, 2 and so on (or
 * from 1) gives the order; without one, the order is that of the rows. A first row of column names is recognised.
 *
 * @throws Error when there is no column of labels
 */
export function labelsFromTable(text: string): Label[] {
  const lines = text.split(/\r\n?|\n/).filter((line) => line.trim() !== '');
  const separator = [';', '\t', ','].find((mark) => lines.every((line) => line.includes(mark))) ?? ',';
  const rows = lines.map((line) => cellsOf(line, separator));
  const [first = [], ...rest] = rows;
  const width = first.length;
  const columns = Array.from({ length: width }, (_, column) => column);
  const isOrder = (column: number, of: readonly string[][]) => {
    const numbers = of.map((row) => row[column] ?? '');
    if (!numbers.every((cell) => WHOLE.test(cell))) return false;
    const sorted = numbers.map(Number).sort((a, b) => a - b);
    const start = sorted[0] ?? 0;
    return start <= 1 && sorted.every((number, index) => number === start + index);
  };
  const order = columns.find((column) => isOrder(column, rest) || isOrder(column, rows));
  const named = columns.find((column) => LABEL_COLUMNS.test(first[column] ?? '') && column !== order);
  const hasHeader = named !== undefined || (order !== undefined && !WHOLE.test(first[order] ?? ''));
  const column = named ?? columns.find((candidate) => candidate !== order);
  if (column === undefined) throw new Error('the table has no column of labels');
  const body = hasHeader ? rest : [...rows];
  if (order !== undefined) body.sort((a, b) => Number(a[order]) - Number(b[order]));
  return body.map((row) => ({ label: row[column] ?? '' }));
}

/** The cells of a line; a cell in quotes may contain the separator. */
function cellsOf(line: string, separator: string): string[] {
  const cells: string[] = [''];
  let isQuoted = false;
  for (const character of line) {
    if (character === '"') isQuoted = !isQuoted;
    else if (character === separator && !isQuoted) cells.push('');
    else cells.push(`${cells.pop() ?? ''}${character}`);
  }
  return cells.map((cell) => cell.trim());
}
