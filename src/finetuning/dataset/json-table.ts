import type { CsvRow } from './csv.ts';

/** Objects within objects; deeper ones are no labels. */
const MAX_DEPTH = 16;

/**
 * Parses a JSON document of labels into rows of text with a header. Taken are the longest list of objects in it, one row
 * each, as Label Studio, Labelbox and Edge Impulse write them; a mapping of names of files to labels; and a mapping of
 * labels to lists of files.
 * @returns undefined when the document is none of these
 * @throws SyntaxError when it is not JSON
 */
export function parseJsonTable(text: string): CsvRow[] | undefined {
  const document: unknown = JSON.parse(text);
  if (isRecord(document)) {
    const mapping = rowsOfMapping(document);
    if (mapping !== undefined) return mapping;
  }
  const objects = longestList(document, 0);
  return objects && rowsOfObjects(objects.map((object, index) => ({ line: index + 1, object })));
}

/**
 * One row for each object, with the values by their keys, the inner ones too, under the keys of all as the first row.
 */
export function rowsOfObjects(objects: readonly { readonly line: number; readonly object: unknown }[]): CsvRow[] {
  const rows = objects.map(({ line, object }) => {
    const cells = new Map<string, string>();
    collect(object, '', cells, 0);
    return { line, cells };
  });
  const header = [...new Set(rows.flatMap(({ cells }) => [...cells.keys()]))];
  const filled = rows.map(({ line, cells }) => ({ line, cells: header.map((key) => cells.get(key) ?? '') }));
  return [{ line: 1, cells: header }, ...filled];
}

/** The text of a value: a list of texts is kept as JSON. */
function cellOf(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return String(value);
  const isList = Array.isArray(value) && value.every((item) => typeof item === 'string' || typeof item === 'number');
  return isList ? (value.length === 1 ? String(value[0]) : JSON.stringify(value)) : '';
}

function rowsOfMapping(document: Readonly<Record<string, unknown>>): CsvRow[] | undefined {
  const entries = Object.entries(document);
  if (entries.length === 0) return undefined;
  if (entries.every(([, value]) => typeof value === 'string' || typeof value === 'number')) {
    return numbered([['file', 'label'], ...entries.map(([file, label]) => [file, String(label)])]);
  }
  const isOfLists = entries.every(
    ([, value]) => Array.isArray(value) && value.every((item) => typeof item === 'string'),
  );
  if (!isOfLists) return undefined;
  const pairs = entries.flatMap(([label, files]) => (files as string[]).map((file) => [file, label]));
  return numbered([['file', 'label'], ...pairs]);
}

function longestList(value: unknown, depth: number): readonly Readonly<Record<string, unknown>>[] | undefined {
  if (depth > MAX_DEPTH || typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value)) return value.length > 0 && value.every(isRecord) ? value : undefined;
  const lists = Object.values(value).flatMap((inner) => [longestList(inner, depth + 1) ?? []]);
  const [longest] = lists.sort((a, b) => b.length - a.length);
  return longest === undefined || longest.length === 0 ? undefined : longest;
}

/** The values of an object by their keys, the inner ones by the innermost key. */
function collect(value: unknown, key: string, cells: Map<string, string>, depth: number): void {
  if (depth > MAX_DEPTH) return;
  const cell = cellOf(value);
  if (cell !== '') {
    // Of the same key the outer one counts, which comes first.
    if (!cells.has(key)) cells.set(key, cell);
  } else if (Array.isArray(value)) {
    for (const item of value) collect(item, key, cells, depth + 1);
  } else if (isRecord(value)) {
    const entries = Object.entries(value);
    const isInner = ([, inner]: [string, unknown]) => typeof inner === 'object';
    // Labelbox calls the label `name` in an answer.
    const nameOf = (inner: string) => (/_answers?$/.test(key) && inner === 'name' ? 'choices' : inner);
    for (const [inner, item] of entries.filter((each) => !isInner(each)))
      collect(item, nameOf(inner), cells, depth + 1);
    for (const [inner, item] of entries.filter(isInner)) collect(item, inner, cells, depth + 1);
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function numbered(rows: readonly (readonly string[])[]): CsvRow[] {
  return rows.map((cells, index) => ({ line: index + 1, cells }));
}
