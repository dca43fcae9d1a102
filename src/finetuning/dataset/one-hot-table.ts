import type { CsvRow } from './csv.ts';
import type { LabelTable } from './label-table.ts';

const NUMBER = /^[01](?:\.0*)?$/;

/**
 * Reads a table with the file in its first column and a column of 0 and 1 for each class, as Roboflow's `_classes.csv`.
 * @returns undefined when the table is not of this kind
 */
export function readOneHotTable([header, ...rows]: readonly CsvRow[]): LabelTable | undefined {
  const [file = '', ...classes] = header?.cells ?? [];
  const isOneHot =
    rows.length > 0 &&
    classes.length > 1 &&
    classes.every((name) => name !== '' && !NUMBER.test(name)) &&
    rows.every(({ cells }) => cells.length === classes.length + 1 && cells.slice(1).every((cell) => NUMBER.test(cell)));
  if (!isOneHot) return undefined;
  return {
    columns: { file, label: classes.join(', ') },
    boxes: [],
    rows: rows.map(({ line, cells: [name = '', ...marks] }) => {
      const labels = classes.filter((_, index) => marks[index]?.startsWith('1'));
      return { line, name, labels, split: undefined };
    }),
  };
}
