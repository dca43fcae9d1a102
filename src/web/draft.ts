import { counted } from './format.ts';
import { readZip, type ZipEntry } from './zip/read.ts';
import { writeZip } from './zip/write.ts';

/** An image of a class of the draft. */
export interface DraftPicture {
  readonly file: File;
  readonly url: string;
}

export interface DraftClass {
  name: string;
  pictures: readonly DraftPicture[];
}

/** A data set that the user prepares: classes with images, or a finished zip. */
export interface Draft {
  classes: DraftClass[];
  zip: File | undefined;
  /** The encoding of the names in the zip; empty to detect it. */
  encoding: string;
  /** Synsets of WordNet by class name, which the user has confirmed. */
  synsets: Readonly<Record<string, string>>;
  /** The name of the model to train. */
  modelName: string;
}

/** A data set that can be uploaded. Its images are found by their names in the zip, which the server reports. */
export interface PackedDataset {
  readonly file: File;
  readonly imageOf: (name: string) => Promise<Blob | undefined>;
  /** Names of some images of each class. Empty when the page cannot read the zip. */
  readonly samples: () => Promise<ReadonlyMap<string, readonly string[]>>;
}

/** Sample images of each class. */
const SAMPLES = 8;

/** Names that the server treats as images in a zip. */
export const IMAGE_NAME = /\.(avif|hei[cf]|tiff?|webp|jpe?g|jpe|jfif|png|gif)$/i;

/** The server refuses classes with fewer images. */
export const MIN_PICTURES = 5;
const MIN_CLASSES = 2;

export function emptyDraft(): Draft {
  return { classes: [emptyClass(), emptyClass()], zip: undefined, encoding: '', synsets: {}, modelName: '' };
}

export function emptyClass(): DraftClass {
  return { name: '', pictures: [] };
}

export function draftPicture(file: File): DraftPicture {
  return { file, url: URL.createObjectURL(file) };
}

/** What is missing before the draft can be uploaded; undefined when nothing is. */
export function whatIsMissing({ classes, zip }: Draft): string | undefined {
  if (zip !== undefined) return undefined;
  const used = classes.filter(({ pictures }) => pictures.length > 0);
  if (used.length < MIN_CLASSES) return 'Add images of at least two classes, or a zip with one folder per class.';
  const names = used.map(({ name }) => className(name));
  if (names.includes('')) return 'Name every class.';
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) return `Two classes are named “${twice}”. Rename one of them.`;
  const short = used.find(({ pictures }) => pictures.length < MIN_PICTURES);
  if (short)
    return `“${short.name}” has ${counted(short.pictures.length, 'image')}. Every class needs at least ${MIN_PICTURES}.`;
  return undefined;
}

/**
 * Packs the draft as a zip: a folder for each class, and a table with their names, which may be none for folders, such
 * as `B/W` or `test`.
 * @param onProgress called with the packed share, 0..1
 */
export async function packDraft(
  { classes, zip }: Pick<Draft, 'classes' | 'zip'>,
  onProgress: (share: number) => void,
): Promise<PackedDataset> {
  if (zip !== undefined) return packedZip(zip);
  const images = new Map<string, Blob>();
  const samples = new Map<string, readonly string[]>();
  const rows: string[] = ['file,label'];
  classes.forEach(({ name, pictures }, index) => {
    if (pictures.length === 0) return;
    const files = pictures.map(({ file }, number) => {
      // Numbered, since names of folders and files may be alike.
      const path = `${index + 1}-${plain(name.trim())}/${String(number + 1).padStart(4, '0')}-${plain(file.name)}`;
      images.set(path, file);
      rows.push([path, className(name)].map(quoted).join(','));
      return path;
    });
    samples.set(className(name), files.slice(0, SAMPLES));
  });
  const entries = [...images].map(([name, content]) => ({ name, content }));
  const table = { name: 'labels.csv', content: new Blob([rows.join('\n')]) };
  const packed = await writeZip([...entries, table], (done) => onProgress(done / entries.length));
  return {
    file: new File([packed], 'dataset.zip', { type: 'application/zip' }),
    imageOf: async (name) => images.get(name),
    samples: async () => samples,
  };
}

/** A zip of the user. Its images are shown if this page can read it. */
function packedZip(file: File): PackedDataset {
  const listed = readZip(file).then(
    (files) => new Map(files.map((each) => [each.name, each])),
    () => new Map<string, ZipEntry>(),
  );
  return {
    file,
    imageOf: async (name) => (await listed).get(name)?.read(),
    samples: async () => samplesOf((await listed).keys()),
  };
}

/** Groups images by their folder, which is the class. */
function samplesOf(names: Iterable<string>): ReadonlyMap<string, readonly string[]> {
  const samples = new Map<string, string[]>();
  for (const name of names) {
    const folder = name.split('/').at(-2);
    if (folder === undefined || !IMAGE_NAME.test(name)) continue;
    const found = samples.get(folder);
    if (found === undefined) samples.set(folder, [name]);
    else if (found.length < SAMPLES) found.push(name);
  }
  return samples;
}

/** The name of a class as the server has it. */
export function className(name: string): string {
  return name.normalize('NFC').replaceAll(/\s+/g, ' ').trim();
}

/** A name that is one segment of a path. */
function plain(name: string): string {
  return name.replaceAll(/[/\\]/g, '-');
}

/** A cell of a CSV table. */
function quoted(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}
