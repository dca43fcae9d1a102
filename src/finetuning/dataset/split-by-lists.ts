import { AppError } from '../../common/errors.ts';
import { type DatasetWarning, isImageName, type LabelledFile, type UnusedFile } from './dataset-layout.ts';
import { FileIndex } from './file-index.ts';
import { shallowest } from './find-tables.ts';
import type { SourceFile } from './image-source.ts';
import { baseName, readRows, type TableReading } from './read-label-table.ts';
import { type Split, splitOf } from './split-names.ts';

interface ListedSplits {
  readonly files: readonly LabelledFile[];
  readonly unused: readonly UnusedFile[];
  readonly warnings: readonly DatasetWarning[];
}

/**
 * Splits labelled images by lists of their names: `meta/train.txt` and `meta/test.txt`, as Food-101 has them. Images
 * that no list names are not used.
 * @returns undefined unless lists of several splits name half of the images
 */
export async function splitByLists(
  reading: TableReading,
  labelled: readonly LabelledFile[],
): Promise<ListedSplits | undefined> {
  const images = labelled.map(({ file }) => file);
  const splits = new Map<SourceFile, Split>();
  const lists: string[] = [];
  for (const list of shallowest(reading.files, /\.(?:txt|lst)$/i)) {
    const split = splitOf(baseName(list).replace(/\.[^.]*$/, ''));
    if (split === undefined) continue;
    const named = await namedIn(reading, list, images);
    if (named.length > 0) lists.push(list.name);
    for (const file of named) splits.set(file, split);
  }
  if (new Set(splits.values()).size < 2 || splits.size * 2 < images.length) return undefined;
  const files = labelled.flatMap((each) => {
    const split = splits.get(each.file);
    return split === undefined ? [] : [{ ...each, split }];
  });
  const outside = labelled.filter(({ file }) => !splits.has(file));
  return {
    files,
    unused: outside.map(({ file }) => ({ name: file.name, reason: 'not_in_table' })),
    warnings: [
      {
        code: 'splits_from_lists',
        message: `the splits are those of ${lists.join(', ')}, which name ${files.length} of ${images.length} images`,
        context: { lists, images: files.length },
      },
    ],
  };
}

/** The images that a list names, in the first column that names any. */
async function namedIn(
  reading: TableReading,
  list: SourceFile,
  images: readonly SourceFile[],
): Promise<readonly SourceFile[]> {
  try {
    const { rows } = await readRows(reading, list);
    const names = rows.map(
      ({ cells }) => cells.find((cell) => cell.includes('/') || isImageName(cell)) ?? cells[0] ?? '',
    );
    const find = new FileIndex(images, list.name.slice(0, list.name.lastIndexOf('/') + 1)).finder(names);
    return names.map(find).flatMap((found) => (found.length === 1 ? found : []));
  } catch (thrown) {
    if (thrown instanceof AppError) return [];
    throw thrown;
  }
}
