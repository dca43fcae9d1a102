import { readZip, type ZipEntry } from '../zip/read.ts';
import { writeZip } from '../zip/write.ts';
import { className, type Draft, isImage } from './draft.ts';

/** A data set that can be uploaded. Its images are found by their names in the zip, which the server reports. */
export interface PackedDataset {
  readonly file: File;
  readonly imageOf: (name: string) => Promise<Blob | undefined>;
  /** Names of some images of each class. Empty when the page cannot read the zip. */
  readonly samples: () => Promise<ReadonlyMap<string, readonly string[]>>;
}

/** Sample images of each class. */
const SAMPLES = 8;

/** Packs drafts, and keeps the last result for a draft of the same version. */
export class Packer {
  #last: { readonly version: number; readonly dataset: PackedDataset } | undefined;

  /** @param onProgress called with the packed share, 0..1; what it throws ends the packing */
  async pack(draft: Draft, onProgress: (share: number) => void): Promise<PackedDataset> {
    if (this.#last?.version !== draft.version) {
      const dataset = await packDraft(draft, onProgress);
      this.#last = { version: draft.version, dataset };
    }
    return this.#last.dataset;
  }
}

/**
 * Packs the draft as a zip: a folder for each class, and a table with their names, which may be none for folders, such
 * as `B/W` or `test`.
 * @param onProgress called with the packed share, 0..1
 */
async function packDraft(
  { classes, zip }: Pick<Draft, 'classes' | 'zip'>,
  onProgress: (share: number) => void,
): Promise<PackedDataset> {
  if (zip !== undefined) return packedZip(zip.file);
  const images = new Map<string, Blob>();
  const samples = new Map<string, readonly string[]>();
  const rows: string[] = ['file,label'];
  classes.forEach(({ name, pictures }, index) => {
    if (pictures.length === 0) return;
    const files = pictures.map(({ id, file }) => {
      // Numbered, since names of classes may be alike as folders.
      const path = `${index + 1}-${plain(name.trim())}/${packedName(plain(file.name), id)}`;
      images.set(path, file);
      rows.push([path, className(name)].map(quoted).join(','));
      return path;
    });
    samples.set(className(name), files.slice(0, SAMPLES));
  });
  const entries = [...images].map(([name, content]) => ({ name, content }));
  const table = { name: 'labels.csv', content: new Blob([rows.join('\n')]) };
  const packed = await writeZip([...entries, table], (done) => onProgress(done / (entries.length + 1)));
  return {
    file: new File([packed], 'dataset.zip', { type: 'application/zip' }),
    imageOf: async (name) => images.get(name),
    samples: async () => samples,
  };
}

/** What stands between the name of a file and its id, which makes names different and tells the image in a report. */
const ID_MARK = '~';
const PACKED_NAME = new RegExp(`^(.*)${ID_MARK}([0-9a-z-]+)(\\.[^.]*)?$`);

/** `photo~id.jpg` */
function packedName(name: string, id: string): string {
  const end = name.lastIndexOf('.');
  const [stem, extension] = end > 0 ? [name.slice(0, end), name.slice(end)] : [name, ''];
  return `${stem}${ID_MARK}${id}${extension}`;
}

/** The name that an image of a packed draft has there; other names stay as they are. @param name without folders */
export function nameInDraft(name: string): string {
  return name.replace(PACKED_NAME, '$1$3');
}

/** The id of an image of a packed draft, wherever it is in the draft now; undefined for other names. */
export function idInDraft(path: string): string | undefined {
  return PACKED_NAME.exec(path.split('/').at(-1) ?? '')?.[2];
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
    if (folder === undefined || !isImage({ name, type: '' })) continue;
    const found = samples.get(folder);
    if (found === undefined) samples.set(folder, [name]);
    else if (found.length < SAMPLES) found.push(name);
  }
  return samples;
}

/** A name that is one segment of a path. */
function plain(name: string): string {
  return name.replaceAll(/[/\\]/g, '-');
}

/** A cell of a CSV table. */
function quoted(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}
