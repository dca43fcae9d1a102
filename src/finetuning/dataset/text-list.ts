import { type CsvRow, parseCsv } from './csv.ts';

/**
 * Parses a list of files and labels: with commas, semicolons or tabs as a table, else with the label behind the last
 * space of each line, as in `train/1.jpg 0`.
 * @throws SyntaxError as `parseCsv`
 */
export function parseTextList(text: string): CsvRow[] {
  const lines = text.split(/\r\n?|\n/).flatMap((content, index) => {
    const trimmed = content.trim();
    return trimmed === '' ? [] : [{ line: index + 1, content: trimmed }];
  });
  if (/[,;\t]/.test(lines[0]?.content ?? '')) return parseCsv(text);
  return lines.map(({ line, content }) => {
    const [, file = content, label] = /^(.*\S)\s+(\S+)$/.exec(content) ?? [];
    return { line, cells: label === undefined ? [content] : [file, label] };
  });
}
