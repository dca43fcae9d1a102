/** Formats rows below a header as text. Columns of numbers are aligned to the right. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const columns = head.map((title, index) => {
    const cells = rows.map((row) => row[index] ?? '');
    return {
      width: Math.max(...[title, ...cells].map((cell) => cell.length)),
      numbers: cells.every((cell) => /^[\d.]*( [A-Z]+)?$/.test(cell)),
    };
  });
  const line = (row: readonly string[]) =>
    columns
      .map(({ width, numbers }, index) =>
        numbers ? (row[index] ?? '').padStart(width) : (row[index] ?? '').padEnd(width),
      )
      .join('  ')
      .trimEnd();
  return [head, ...rows].map(line).join('\n');
}
