import { messageOf } from '../../common/errors.ts';
import type { CsvRow } from './csv.ts';

/**
 * Parses a table of one JSON object per line into rows of text, with the keys of all objects as the first row. Values
 * that are neither text, number nor boolean become empty cells.
 * @throws SyntaxError for a line that is not an object
 */
export function parseJsonLines(text: string): CsvRow[] {
  const objects = text.split(/\r\n?|\n/).flatMap((content, index) => {
    const line = index + 1;
    return content.trim() === '' ? [] : [{ line, object: objectOf(content, line) }];
  });
  const keys = [...new Set(objects.flatMap(({ object }) => Object.keys(object)))];
  const rows = objects.map(({ line, object }) => ({ line, cells: keys.map((key) => cellOf(object[key])) }));
  return [{ line: 1, cells: keys }, ...rows];
}

function objectOf(content: string, line: number): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(content);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  } catch (thrown) {
    throw new SyntaxError(`line ${line}: ${messageOf(thrown)}`);
  }
  throw new SyntaxError(`line ${line}: it is not a JSON object`);
}

function cellOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}
