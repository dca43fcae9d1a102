/** A row of a table. */
export interface CsvRow {
  /** The line on which it begins, from 1. */
  readonly line: number;
  readonly cells: readonly string[];
}

/** A cell and what ends it, by separator. Sticky, so that text that does not match is an error at its position. */
const CELLS = {
  ',': /(?:[^\S\n]*"([^"]*(?:""[^"]*)*)"[^\S\n]*|([^,\n"][^,\n]*)?)(,|\n|$)/y,
  ';': /(?:[^\S\n]*"([^"]*(?:""[^"]*)*)"[^\S\n]*|([^;\n"][^;\n]*)?)(;|\n|$)/y,
  '\t': /(?:[^\S\n\t]*"([^"]*(?:""[^"]*)*)"[^\S\n\t]*|([^\t\n"][^\t\n]*)?)(\t|\n|$)/y,
};

/**
 * Parses comma-separated values (RFC 4180): cells may be in double quotes, in which commas, line breaks and doubled
 * quotes are text. Blank lines are skipped, unquoted cells are trimmed, and all line endings are accepted. If the first
 * line has no comma, the separator is the semicolon (from spreadsheets where the comma is the decimal mark) or the tab.
 * @throws SyntaxError when a quote is not closed, or is followed by anything but a separator or the end of the line
 */
export function parseCsv(table: string): CsvRow[] {
  const text = table.replaceAll(/\r\n?/g, '\n');
  const separator = separatorOf(text);
  const cell = new RegExp(CELLS[separator]);
  const rows: CsvRow[] = [];
  let cells: string[] = [];
  let line = 1;
  let rowLine = 1;
  while (cell.lastIndex < text.length || cells.length > 0) {
    const found = cell.exec(text);
    if (found === null) throw new SyntaxError(`line ${line}: a quote is not closed, or is followed by text`);
    const [whole, quoted, plain = '', end] = found;
    cells.push(quoted === undefined ? plain.trim() : quoted.replaceAll('""', '"'));
    line += whole.split('\n').length - 1;
    if (end === separator) continue;
    if (cells.some((content) => content !== '')) rows.push({ line: rowLine, cells });
    cells = [];
    rowLine = line;
  }
  return rows;
}

function separatorOf(text: string): keyof typeof CELLS {
  const [first = ''] = text.trimStart().split('\n', 1);
  const unquoted = first.replaceAll(/"[^"]*"/g, '');
  if (unquoted.includes(',')) return ',';
  return unquoted.includes(';') ? ';' : unquoted.includes('\t') ? '\t' : ',';
}
