import { messageOf } from '../../common/errors.ts';
import type { CsvRow } from './csv.ts';
import { rowsOfObjects } from './json-table.ts';

/**
 * Parses a table of one JSON object per line into rows of text, with the keys of all objects as the first row.
 * @throws SyntaxError for a line that is not an object
 */
export function parseJsonLines(text: string): CsvRow[] {
  const objects = text.split(/\r\n?|\n/).flatMap((content, index) => {
    const line = index + 1;
    return content.trim() === '' ? [] : [{ line, object: objectOf(content, line) }];
  });
  return rowsOfObjects(objects);
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
