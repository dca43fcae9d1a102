/** A row of a table with the line it begins on, counted from 1. */
export interface CsvRow {
  readonly line: number;
  readonly cells: readonly string[];
}

/**
 * Reads comma-separated values by RFC 4180, with LF or CRLF: cells may stand in double quotes, in which commas, line
 * breaks and doubled quotes are text. Blank lines are skipped; unquoted cells are trimmed.
 * @throws SyntaxError for a quote that is never closed, or that is followed by anything but a comma or a line's end
 */
export function parseCsv(text: string): CsvRow[] {
  // One cell with what ends it; sticky, so that whatever does not fit is found where it stands.
  const cell = /(?:[^\S\n]*"([^"]*(?:""[^"]*)*)"[^\S\n]*|([^,\n"][^,\n]*)?)(,|\n|$)/y;
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
    if (end === ',') continue;
    if (cells.some((content) => content !== '')) rows.push({ line: rowLine, cells });
    cells = [];
    rowLine = line;
  }
  return rows;
}
