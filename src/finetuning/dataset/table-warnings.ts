import { type DatasetWarning, isImage } from './dataset-layout.ts';
import type { SourceFile } from './image-source.ts';
import type { FoundTable } from './read-label-table.ts';

const MAX_EXAMPLES = 5;

/** An image and the labels that tables give it. */
interface SeverallyLabelled {
  readonly file: string;
  readonly labels: readonly string[];
}

/** Warns of images with several labels. @param used the images that have one */
export function severalLabels(images: readonly SeverallyLabelled[], used: number): DatasetWarning[] {
  if (images.length === 0) return [];
  return [
    {
      code: 'several_labels',
      message:
        `${counted(images.length)} several labels, for example ${exampleOf(images)}: a model gives an image one ` +
        `class, so ${images.length === 1 ? 'it is' : 'they are'} not used; images with one label are: ${used}`,
      context: { count: images.length, used, images: images.slice(0, MAX_EXAMPLES) },
    },
  ];
}

function counted(images: number): string {
  return images === 1 ? '1 image has' : `${images} images have`;
}

/** What is wrong where every image has several labels. */
export function onlySeveralLabels(images: readonly SeverallyLabelled[]): DatasetWarning {
  return {
    code: 'several_labels',
    message:
      `each of the ${images.length} images has several labels, for example ${exampleOf(images)}, but a model gives ` +
      'an image one class: keep the label that matters in each row, or make a class of each combination',
    context: { count: images.length, images: images.slice(0, MAX_EXAMPLES) },
  };
}

function exampleOf([first]: readonly SeverallyLabelled[]): string {
  return first === undefined ? '' : `${JSON.stringify(first.file)}: ${listed(first.labels)}`;
}

/** Warns of tables with boxes. Where each image has boxes of one class, it is what the image shows. */
export function boxesNotUsed(tables: readonly FoundTable[]): DatasetWarning[] {
  return tables
    .filter(({ boxes }) => boxes.length > 1)
    .map(({ file, boxes }) => ({
      code: 'boxes_not_used',
      message:
        `${file.name} has boxes (columns ${listed(boxes)}), which are not used: images are classified as a whole; ` +
        'if objects are small in their images, crop the boxes first',
      context: { table: file.name, columns: boxes },
    }));
}

/** What is wrong where tables have boxes, and most images have boxes of several classes. */
export function detectionTable(
  tables: readonly FoundTable[],
  several: number,
  images: number,
): DatasetWarning | undefined {
  const [table] = tables.filter(({ boxes }) => boxes.length > 1);
  if (table === undefined || several * 2 <= images) return undefined;
  return {
    code: 'detection_dataset',
    message:
      `${table.file.name} has boxes of objects (columns ${listed(table.boxes)}), of several classes in ${several} of ` +
      `${images} images: ${DETECTION_HELP}`,
    context: { table: table.file.name, columns: table.boxes },
  };
}

/** Ends the error about a data set of boxes. */
export const DETECTION_HELP =
  'it is for object detection, and this server classifies whole images: crop each box into a file in a folder of its ' +
  'class, or export the data set for classification (Roboflow calls it "Folder Structure", CVAT "ImageNet")';

/** Says in which encoding tables were read that are not Unicode. */
export function tablesDecoded(tables: readonly FoundTable[]): DatasetWarning[] {
  return tables.flatMap(({ file, encoding, rows }) => {
    if (encoding === undefined) return [];
    const texts = new Set(rows.flatMap(({ name, labels }) => [...labels, name]));
    const shown = [...texts].filter((text) => /[^ -~]/.test(text)).slice(0, MAX_EXAMPLES);
    return [
      {
        code: 'table_encoding',
        message:
          `${file.name} is not in UTF-8, and ${encoding} fits: ${listed(shown)}; ` +
          'if that is wrong, save it in UTF-8, or give its encoding with encoding=',
        context: { table: file.name, encoding, texts: shown },
      },
    ];
  });
}

/** What is wrong with a table that names no file of the data set: the columns that were taken, and names. */
export function nothingMatched(table: FoundTable, files: readonly SourceFile[]): DatasetWarning {
  const { columns, rows } = table;
  const names = rows.slice(0, MAX_EXAMPLES).map(({ name }) => name.slice(0, 200));
  const images = files.filter(isImage).slice(0, MAX_EXAMPLES);
  return {
    code: 'table_matched_nothing',
    message:
      `${table.file.name} matches no file: the files were taken from column ${JSON.stringify(columns.file)}, the ` +
      `labels from ${JSON.stringify(columns.label)}, and none of its ${rows.length} rows names an image of the data ` +
      `set, for example ${listed(names)}; the images are called ${listed(images.map(({ name }) => name))}`,
    context: { table: table.file.name, columns, rows: rows.length, matched: 0, unmatched: names },
  };
}

/** Warns of tables whose rows name files that are not there: the columns that were taken, and names. */
export function partlyMatched(tables: readonly FoundTable[]): DatasetWarning[] {
  return tables.flatMap(({ file, columns, rows }) => {
    const unmatched = rows.filter(({ files }) => files.length === 0).map(({ name }) => name.slice(0, 200));
    if (unmatched.length === 0) return [];
    const matched = rows.length - unmatched.length;
    return [
      {
        code: 'missing',
        message:
          `${matched} of ${rows.length} rows of ${file.name} name an image: the files were taken from column ` +
          `${JSON.stringify(columns.file)}, the labels from ${JSON.stringify(columns.label)}; not found are ` +
          listed(unmatched),
        context: {
          table: file.name,
          columns,
          rows: rows.length,
          matched,
          unmatched: unmatched.slice(0, MAX_EXAMPLES),
        },
      },
    ];
  });
}

/** Whether no row of a table names a file of the data set. */
export function matchedNothing({ rows }: FoundTable): boolean {
  return rows.every(({ files }) => files.length === 0);
}

function listed(items: readonly string[]): string {
  const shown = items.slice(0, MAX_EXAMPLES).map((item) => JSON.stringify(item));
  return `${shown.join(', ')}${items.length > MAX_EXAMPLES ? ' and others' : ''}`;
}
