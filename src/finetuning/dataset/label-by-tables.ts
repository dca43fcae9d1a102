import { isImage, type LabelledImages, labelText, refusal, type UnusedFile } from './dataset-layout.ts';
import type { SourceFile } from './image-source.ts';
import { lineErrors, type TableRow } from './label-table.ts';
import { baseName, type FoundTable } from './read-label-table.ts';
import { type Split, splitOf, splitOfFolders } from './split-names.ts';
import {
  boxesNotUsed,
  detectionTable,
  onlySeveralLabels,
  partlyMatched,
  severalLabels,
  tablesDecoded,
} from './table-warnings.ts';

interface Labelled {
  readonly labels: Set<string>;
  readonly split: Split | undefined;
  /** The line and table that say so. */
  readonly origin: string;
}

/**
 * Labels images by tables. A row's split is the one in its column; else the one that the table or its folder is named
 * after; else that of the image's folders. Rows without one are for training, and one split alone is none. Images with
 * several labels, in one row or in several, are not used.
 * @throws AppError `dataset_layout`, which names the line, when tables contradict each other about a split or a synset,
 * a name is ambiguous, or all images have several labels
 */
export function labelByTables(candidates: readonly SourceFile[], tables: readonly FoundTable[]): LabelledImages {
  const labels = new Map<SourceFile, Labelled>();
  const synsets = new Map<string, { readonly synset: string; readonly origin: string }>();
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
      const found = row.labels.map(labelText).filter((label) => label !== '');
      if (found.length === 0) continue;
      const [label = ''] = found;
      if (row.synset !== undefined && found.length === 1) {
        const known = synsets.get(label) ?? { synset: row.synset, origin: originOf(row, table, tables) };
        if (known.synset !== row.synset) {
          throw wrong(
            row.line,
            `${JSON.stringify(label)} is ${row.synset}, but ${known.synset} on ${known.origin}: give each class one synset`,
          );
        }
        synsets.set(label, known);
      }
      const split = tableSplit ?? splitOfFolders(file.name);
      const before = labels.get(file);
      if (before !== undefined && before.split !== split) {
        throw wrong(row.line, `${JSON.stringify(row.name)} has another split on ${before.origin}: give each image one`);
      }
      if (before === undefined)
        labels.set(file, { labels: new Set(found), split, origin: originOf(row, table, tables) });
      else for (const label of found) before.labels.add(label);
    }
  }

  const several = [...labels].filter(([, { labels: all }]) => all.size > 1);
  const examples = several.map(([{ name }, { labels: all }]) => ({ file: name, labels: [...all] }));
  const detection = detectionTable(tables, several.length, labels.size);
  if (detection !== undefined) throw refusal(detection);
  if (several.length > 0 && several.length === labels.size) throw refusal(onlySeveralLabels(examples));

  const single = (file: SourceFile) => {
    const found = labels.get(file);
    const [label, ...others] = found?.labels ?? [];
    return found === undefined || label === undefined || others.length > 0 ? undefined : { label, split: found.split };
  };
  const someSplit = new Set([...labels.values()].map(({ split }) => split ?? 'train')).size > 1;
  const files = candidates.flatMap((file) => {
    const found = single(file);
    if (found === undefined) return [];
    return [{ file, label: found.label, split: someSplit ? (found.split ?? ('train' as const)) : undefined }];
  });
  const isTable = new Set(tables.map(({ file }) => file));
  const unused = candidates
    .filter((file) => single(file) === undefined && !isTable.has(file))
    .map((file): UnusedFile => {
      if (labels.has(file)) return { name: file.name, reason: 'several_labels' };
      return { name: file.name, reason: isImage(file) ? 'not_in_table' : 'not_an_image' };
    });
  const warnings = [
    ...partlyMatched(tables),
    ...severalLabels(examples, files.length),
    ...boxesNotUsed(tables),
    ...tablesDecoded(tables),
  ];
  return {
    layout: 'table',
    files,
    unused,
    missing,
    synsets: new Map([...synsets].map(([label, { synset }]) => [label, synset])),
    warnings,
  };
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

function originOf({ line }: TableRow, { file }: FoundTable, tables: readonly FoundTable[]): string {
  return tables.length === 1 ? `line ${line}` : `line ${line} of ${file.name}`;
}
