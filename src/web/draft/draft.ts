import type { Operations } from '../api/schema.ts';
import { counted } from '../format.ts';

/** A file of the draft, with an id that it keeps. */
export interface DraftFile {
  readonly id: string;
  readonly file: File;
}

export interface DraftClass {
  readonly id: string;
  readonly name: string;
  readonly pictures: readonly DraftFile[];
}

/** The options of a training that the page offers, as the API calls them. Those left out have the server's defaults. */
export type TrainingOptions = Pick<
  Operations['finetune']['query'],
  | 'name'
  | 'backbone'
  | 'promote'
  | 'depth'
  | 'search'
  | 'budget_minutes'
  | 'prefer'
  | 'augmentation'
  | 'copies'
  | 'class_weights'
  | 'priority'
>;

/** A data set that the user prepares, classes with images or a finished zip, and how to train with it. Never changed. */
export interface Draft {
  /** Counts the changes to what is taught: classes, images, zip and its encoding. */
  readonly version: number;
  readonly classes: readonly DraftClass[];
  readonly zip: DraftFile | undefined;
  /** The encoding of the names in the zip; empty to detect it. */
  readonly encoding: string;
  /** Synsets of WordNet by class name, which the user has confirmed. */
  readonly synsets: Readonly<Record<string, string>>;
  readonly options: TrainingOptions;
  /** The last training that was started with the draft, and the version that it has. */
  readonly trained: { readonly job: string; readonly version: number } | undefined;
}

/** Names that the server treats as images in a zip. */
const IMAGE_NAME = /\.(avif|hei[cf]|tiff?|webp|jpe?g|jpe|jfif|png|gif)$/i;

/** The server refuses classes with fewer images. */
export const MIN_PICTURES = 5;
const MIN_CLASSES = 2;

export function emptyDraft(): Draft {
  return {
    version: 0,
    classes: [emptyClass(), emptyClass()],
    zip: undefined,
    encoding: '',
    synsets: {},
    options: {},
    trained: undefined,
  };
}

export function emptyClass(): DraftClass {
  return { id: newId(), name: '', pictures: [] };
}

export function draftFile(file: File): DraftFile {
  return { id: newId(), file };
}

/** Not `randomUUID`, which browsers lack over plain HTTP. */
function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(3)), (part) => part.toString(36)).join('-');
}

export function isZip({ name, type }: File): boolean {
  return type === 'application/zip' || type === 'application/x-zip-compressed' || /\.zip$/i.test(name);
}

/** Whether a file is an image, as far as its name and type say. */
export function isImage({ name, type }: Pick<File, 'name' | 'type'>): boolean {
  return type.startsWith('image/') || IMAGE_NAME.test(name);
}

/** Whether nothing would be lost with the draft. */
export function isEmpty({ classes, zip }: Draft): boolean {
  return zip === undefined && classes.every(({ name, pictures }) => name === '' && pictures.length === 0);
}

/** The images of all classes. */
export function pictureCount({ classes }: Pick<Draft, 'classes'>): number {
  return classes.reduce((sum, { pictures }) => sum + pictures.length, 0);
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

/** The name of a class as the server has it. */
export function className(name: string): string {
  return name.normalize('NFC').replaceAll(/\s+/g, ' ').trim();
}

/** The parameters of a training with the draft. Only classes that are still called so have a synset. */
export function trainingQuery(draft: Draft): Operations['finetune']['query'] {
  const { classes, zip, encoding, options } = draft;
  const names = zip === undefined ? new Set(classes.map(({ name }) => className(name))) : undefined;
  const synsets = Object.entries(draft.synsets).filter(([name]) => names?.has(name) ?? true);
  return {
    ...options,
    ...(encoding !== '' && { encoding }),
    ...(synsets.length > 0 && { synsets: JSON.stringify(Object.fromEntries(synsets)) }),
  };
}
