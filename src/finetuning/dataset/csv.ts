/** A row of a table with the line it begins on, counted from 1. */
export interface CsvRow {
  readonly line: number;
  readonly cells: readonly string[];
}

/** One cell with what ends it; sticky, so that whatever does not fit is found where it stands. */
const CELLS = {
  ',': /(?:[^\S\n]*"([^"]*(?:""[^"]*)*)"[^\S\n]*|([^,\n"][^,\n]*)?)(,|\n|$)/y,
  ';': /(?:[^\S\n]*"([^"]*(?:""[^"]*)*)"[^\S\n]*|([^;\n"][^;\n]*)?)(;|\n|$)/y,
  '\t': /(?:[^\S\n\t]*"([^"]*(?:""[^"]*)*)"[^\S\n\t]*|([^\t\n"][^\t\n]*)?)(\t|\n|$)/y,
};

/**
 * Reads comma-separated values by RFC 4180: cells may stand in double quotes, in which commas, line breaks and doubled
 * quotes are text. Blank lines are skipped; unquoted cells are trimmed. Lines may end as on any system. Where the first line
 * has no comma, cells may be separated by semicolons, as spreadsheets do where the comma is the decimal mark, or by tabs.
 * @throws SyntaxError for a quote that is never closed, or that is followed by anything but a separator or a line's end
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
    if (found === null) throw new SyntaxError(`line ${line}: a quote is not closed, or text follows it`);
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
