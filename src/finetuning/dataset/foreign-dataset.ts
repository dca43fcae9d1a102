import { ARCHIVE_NAME, type DatasetWarning, isImage, withoutImageExtension } from './dataset-layout.ts';
import { shallowest } from './find-tables.ts';
import type { SourceFile } from './image-source.ts';
import { baseName, readRows, type TableReading } from './read-label-table.ts';
import { DETECTION_HELP } from './table-warnings.ts';

/** Files with labels or images that are not read, by name, and the way out. */
const CONTAINERS: readonly { readonly name: RegExp; readonly what: string; readonly help: string }[] = [
  { name: /\.(?:xlsx?|xlsm|ods|numbers)$/i, what: 'is a spreadsheet, which is not read', help: 'save it as CSV' },
  {
    name: /\.mat$/i,
    what: 'is a file of MATLAB, which is not read',
    help: 'save its labels as CSV, with the columns file and label',
  },
  {
    name: /\.(?:parquet|arrow|tfrecords?(?:-\d+-of-\d+)?|npz|npy|h5|hdf5|pkl|pickle|mdb|rec|bin)$/i,
    what: 'holds images or labels in a format that is not read',
    help: 'write the images as files into one folder per class',
  },
  {
    name: /-ubyte(?:\.gz)?$|(?:^|\/)(?:data|test)_batch(?:_\d+)?$/i,
    what: 'holds images or labels in a format that is not read',
    help: 'write the images as files into one folder per class',
  },
  { name: ARCHIVE_NAME, what: 'is an archive itself and is not opened', help: 'unpack it' },
];
/** Share of the images that must have a file with boxes beside them. */
const MIN_ANNOTATED = 0.6;

/**
 * What a data set without labelled images is, if it is of a known kind for other purposes or readers: boxes of COCO,
 * Pascal VOC and YOLO; spreadsheets; pixels in tables and arrays; archives.
 */
export async function foreignDataset(reading: TableReading): Promise<DatasetWarning | undefined> {
  const { files } = reading;
  const boxes = boxesBeside(files) ?? (await boxesOfCoco(reading));
  if (boxes !== undefined) {
    const message = `the labels are boxes of objects in the format of ${boxes}: ${DETECTION_HELP}`;
    return { code: 'detection_dataset', message, context: { format: boxes } };
  }
  const pixels = await tableOfPixels(reading);
  if (pixels !== undefined) return pixels;
  const [first] = filesNotRead(files);
  return first;
}

/** A warning for each kind of files that hold labels or images and are not read. */
export function filesNotRead(files: readonly SourceFile[]): DatasetWarning[] {
  return CONTAINERS.flatMap(({ name, what, help }) => {
    const found = files.filter((file) => name.test(file.name)).map((file) => file.name);
    const [first, ...others] = found;
    if (first === undefined) return [];
    const more = others.length > 0 ? ` (as for ${others.length} more)` : '';
    const message = `${JSON.stringify(first)} ${what}: ${help}${more}`;
    return [{ code: 'file_not_read', message, context: { files: found.slice(0, 5) } }];
  });
}

/** The format of boxes, where most images have a file of it: `1.xml`, `Annotations/1.xml`, `labels/1.txt`. */
function boxesBeside(files: readonly SourceFile[]): string | undefined {
  const images = files.filter(isImage).map((file) => withoutImageExtension(baseName(file)));
  if (images.length === 0) return undefined;
  const stems = (ending: RegExp) =>
    new Set(files.filter(({ name }) => ending.test(name)).map((file) => baseName(file).replace(ending, '')));
  const share = (found: ReadonlySet<string>) => images.filter((image) => found.has(image)).length / images.length;
  if (share(stems(/\.xml$/i)) >= MIN_ANNOTATED) return 'Pascal VOC (XML)';
  return share(stems(/\.txt$/i)) >= MIN_ANNOTATED ? 'YOLO (text files with a line for each box)' : undefined;
}

async function boxesOfCoco({ source, files }: TableReading): Promise<string | undefined> {
  for (const file of shallowest(files, /\.(?:json|xml)$/i)) {
    // The keys stand at the beginning or at the end of the lists.
    const text = file.bytes > MAX_DOCUMENT_BYTES ? '' : (await source.read(file)).toString('latin1');
    if (/"annotations"\s*:/.test(text) && /"(?:bbox|segmentation)"\s*:/.test(text)) return 'COCO (JSON)';
    if (/<annotations>/.test(text) && /<(?:box|polygon)\b/.test(text)) return 'CVAT (XML)';
  }
  return undefined;
}
const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024;

/** Tables such as those of MNIST and FER-2013 hold pixels. */
async function tableOfPixels(reading: TableReading): Promise<DatasetWarning | undefined> {
  if (reading.files.some(isImage)) return undefined;
  for (const file of shallowest(reading.files, /\.csv$/i)) {
    const header = await readRows(reading, file).then(
      ({ rows }) => rows[0]?.cells ?? [],
      () => [],
    );
    if (header.length < 64 && !header.some((cell) => /^pixels?$/i.test(cell))) continue;
    return {
      code: 'file_not_read',
      message: `${file.name} holds pixels in its cells, and no image is beside it: write the images as files`,
      context: { files: [file.name] },
    };
  }
  return undefined;
}
