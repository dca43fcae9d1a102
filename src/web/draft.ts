import { readZip, type ZippedFile } from './zip/read.ts';
import { writeZip } from './zip/write.ts';

/** A picture of a class that is being put together. */
export interface DraftPicture {
  readonly file: File;
  readonly url: string;
}

export interface DraftClass {
  name: string;
  pictures: readonly DraftPicture[];
}

/** A data set that is being put together: classes with pictures, or a zip that somebody has made. */
export interface Draft {
  classes: DraftClass[];
  zip: File | undefined;
  /** What the model will be called. */
  modelName: string;
}

/** A data set that can be sent, and its images by the names that the server will call them. */
export interface PackedDataset {
  readonly file: File;
  readonly imageOf: (name: string) => Promise<Blob | undefined>;
  /** Names of some images of each class, as far as this page can tell the classes. */
  readonly samples: () => Promise<ReadonlyMap<string, readonly string[]>>;
}

/** Images that are shown of each class. */
const SAMPLES = 8;

/** What the server takes for an image in a zip. */
export const IMAGE_NAME = /\.(avif|tiff?|webp|jpe?g|png|gif)$/i;

/** Fewer images of a class are refused by the server. */
export const MIN_PICTURES = 5;
const MIN_CLASSES = 2;

/** One more is begun with: nobody teaches less than two classes. */
export function emptyDraft(): Draft {
  return { classes: [emptyClass(), emptyClass()], zip: undefined, modelName: '' };
}

export function emptyClass(): DraftClass {
  return { name: '', pictures: [] };
}

export function draftPicture(file: File): DraftPicture {
  return { file, url: URL.createObjectURL(file) };
}

/** Why the draft can't be sent yet, and what is missing; undefined when it can. */
export function whatIsMissing({ classes, zip }: Draft): string | undefined {
  if (zip !== undefined) return undefined;
  const used = classes.filter(({ pictures }) => pictures.length > 0);
  if (used.length < MIN_CLASSES)
    return 'Give pictures of at least two classes, or drop a zip with a folder for each class.';
  const unnamed = used.filter(({ name }) => folderName(name) === '').length;
  if (unnamed > 0) return 'Give every class a name.';
  const names = used.map(({ name }) => folderName(name));
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) return `Two classes are called “${twice}”: give each a name of its own.`;
  const short = used.find(({ pictures }) => pictures.length < MIN_PICTURES);
  if (short)
    return `“${short.name}” has ${short.pictures.length} pictures: every class needs at least ${MIN_PICTURES}.`;
  return undefined;
}

/** Makes the draft into a zip, a folder for each class. @param onProgress told the share that is packed, 0..1 */
export async function packDraft({ classes, zip }: Draft, onProgress: (share: number) => void): Promise<PackedDataset> {
  if (zip !== undefined) return packedZip(zip);
  const images = new Map<string, Blob>();
  for (const { name, pictures } of classes) {
    pictures.forEach(({ file }, index) => {
      // Numbered: files out of several folders may have one name.
      images.set(
        `${folderName(name)}/${String(index + 1).padStart(4, '0')}-${file.name.replaceAll(/[/\\]/g, '-')}`,
        file,
      );
    });
  }
  const entries = [...images].map(([name, content]) => ({ name, content }));
  const packed = await writeZip(entries, (done) => onProgress(done / entries.length));
  return {
    file: new File([packed], 'dataset.zip', { type: 'application/zip' }),
    imageOf: async (name) => images.get(name),
    samples: async () => samplesOf(images.keys()),
  };
}

/** The zip of somebody else; its images can be shown where this page can read it. */
function packedZip(file: File): PackedDataset {
  const listed = readZip(file).then(
    (files) => new Map(files.map((each) => [each.name, each])),
    () => new Map<string, ZippedFile>(),
  );
  return {
    file,
    imageOf: async (name) => (await listed).get(name)?.read(),
    samples: async () => samplesOf((await listed).keys()),
  };
}

/** Images by the folder they lie in, which in a zip with a folder for each class is the class. */
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

/** A class's name as a folder can have it. */
function folderName(name: string): string {
  return name.trim().replaceAll(/[/\\]/g, '-').replace(/^\.+/, '');
}
