import { type DatasetWarning, isImageName, type LabelledFile, labelText, type UnusedFile } from './dataset-layout.ts';
import type { SourceFile } from './image-source.ts';
import { lineErrors, type TableRow } from './label-table.ts';
import { baseName, type FoundTable } from './read-label-table.ts';
import { type Split, splitOf, splitOfFolders } from './split-names.ts';

interface TableLabels {
  readonly layout: 'table';
  readonly files: readonly LabelledFile[];
  readonly unused: readonly UnusedFile[];
  readonly missing: readonly string[];
  readonly warnings: readonly DatasetWarning[];
}

interface Labelled {
  readonly label: string;
  readonly split: Split | undefined;
  /** The line and table that say so. */
  readonly origin: string;
}

/**
 * Labels images by tables. A row's split is the one in its column; else the one that the table or its folder is named
 * after; else that of the image's folders. Rows without one are for training, and one split alone is none.
 * @throws AppError `dataset_layout`, which names the line, when tables contradict each other or a name is ambiguous
 */
export function labelByTables(candidates: readonly SourceFile[], tables: readonly FoundTable[]): TableLabels {
  const labels = new Map<SourceFile, Labelled>();
  const missing: string[] = [];
  for (const table of tables) {
    const wrong = lineErrors(baseName(table.file));
    for (const row of table.rows) {
      const tableSplit = row.split ?? splitOfTable(table.file);
      const [file, other] = narrowed(row.files, tableSplit);
      if (file === undefined) {
        missing.push(row.name);
        continue;
      }
      if (other !== undefined) {
        throw wrong(
          row.line,
          `${JSON.stringify(row.name)} fits several files, for example ${file.name} and ${other.name}: ` +
            `give its path from the folder of ${baseName(table.file)}`,
        );
      }
      const label = labelText(row.label);
      if (label === '') continue;
      const split = tableSplit ?? splitOfFolders(file.name);
      const before = labels.get(file);
      if (before !== undefined && (before.label !== label || before.split !== split)) {
        throw wrong(
          row.line,
          `${JSON.stringify(row.name)} has another label or split on ${before.origin}: give each image one of each`,
        );
      }
      labels.set(file, { label, split, origin: originOf(row, table.file, tables) });
    }
  }

  const someSplit = new Set([...labels.values()].map(({ split }) => split ?? 'train')).size > 1;
  const files = candidates.flatMap((file) => {
    const found = labels.get(file);
    if (found === undefined) return [];
    return [{ file, label: found.label, split: someSplit ? (found.split ?? ('train' as const)) : undefined }];
  });
  const isTable = new Set(tables.map(({ file }) => file));
  const unused = candidates
    .filter((file) => !labels.has(file) && !isTable.has(file))
    .map(({ name }) => ({
      name,
      reason: isImageName(name) ? ('not_in_table' as const) : ('not_an_image' as const),
    }));
  return { layout: 'table', files, unused, missing, warnings: [] };
}

/** Of several files, those in the folders of the split: `train/1.jpg` for the row `1` of `train.csv`. */
function narrowed(files: readonly SourceFile[], split: Split | undefined): readonly SourceFile[] {
  if (files.length < 2 || split === undefined) return files;
  const inSplit = files.filter((file) => splitOfFolders(file.name) === split);
  return inSplit.length === 0 ? files : inSplit;
}

/** The split that a table is named after, or else its folder: `train.csv`, `valid/_classes.csv`. */
function splitOfTable(table: SourceFile): Split | undefined {
  return splitOf(baseName(table).replace(/\.[^.]*$/, '')) ?? splitOfFolders(table.name);
}

function originOf({ line }: TableRow, table: SourceFile, tables: readonly FoundTable[]): string {
  return tables.length === 1 ? `line ${line}` : `line ${line} of ${table.name}`;
}
