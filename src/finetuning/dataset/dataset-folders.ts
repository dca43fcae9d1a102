import {
  type DatasetWarning,
  isImage,
  isNegative,
  type LabelledFile,
  type LabelledImages,
  labelText,
  meansUnknown,
  meansUnlabelled,
  type UnusedFile,
  type UnusedReason,
} from './dataset-layout.ts';
import type { SourceFile } from './image-source.ts';
import {
  looksLikeSplits,
  nestedClasses,
  nestedCopies,
  splitWithoutLabels,
  unlabelledFolders,
} from './layout-warnings.ts';
import { classSplitsAmong, isGenericName, type Split, splitOf, splitsAmong } from './split-names.ts';

/** An image and the folders of its path whose meaning is still to be determined, outermost first. */
interface FiledImage {
  readonly file: SourceFile;
  readonly folders: readonly string[];
}

/** Share of the images of a copy that must have a twin. */
const MIN_COPIED = 0.9;

/** Labels images by their folders; see `readDataset` for the rules. */
export function labelByFolders(candidates: readonly SourceFile[]): LabelledImages {
  const unused: UnusedFile[] = [];
  const drop = (reason: UnusedReason, images: readonly { readonly file: SourceFile }[]): void => {
    for (const { file } of images) unused.push({ name: file.name, reason });
  };

  const all: FiledImage[] = [];
  for (const file of candidates) {
    if (isImage(file)) all.push({ file, folders: file.name.split('/').slice(0, -1) });
    else unused.push({ name: file.name, reason: 'not_an_image' });
  }
  const labelled = withoutUnlabelled(all);
  drop('no_label', labelled.unlabelled);
  const { inside: wrapped, outside } = stripWrappers(labelled.images);
  drop('no_label', outside);
  const { inside, copies, copied } = withoutCopies(wrapped);
  drop('nested_copy', copies);
  const warnings = [...labelled.warnings, ...nestedCopies(copied, copies.length)];

  const folders = byFirstFolder(inside);
  const single = classSplitsAmong([...folders.keys()]);
  if (single !== undefined && inside.filter(isDirect).length * 2 > inside.length) {
    for (const [folder, members] of folders) if (!single.has(folder)) drop('outside_splits', members);
    const files = inside.flatMap(({ file, folders: [first = ''] }) => {
      const found = single.get(first);
      return found === undefined ? [] : [{ file, label: labelText(found.label), split: found.split }];
    });
    return { layout: 'split_folders', files: sorted(files), unused, missing: [], warnings };
  }
  const splits = splitFolders(folders);
  if (splits !== undefined) {
    for (const [folder, members] of folders) if (!splits.has(folder)) drop('outside_splits', members);
    const found = labelBySplits(folders, splits);
    drop('no_label', found.unlabelled);
    const files = sorted(found.labelled);
    return { layout: 'split_folders', files, unused, missing: [], warnings: [...warnings, ...found.warnings] };
  }

  // Splits within classes, such as cat/train/1.jpg, but only when this is so for every image.
  const inner = inside.map(({ folders: [, second = ''] }) => splitOf(second));
  const splitWithinClass = inner.every((split) => split !== undefined) && inner.includes('train');
  const found = byClass(inside, (rest) => (splitWithinClass ? splitOf(rest[0] ?? '') : undefined));
  drop('no_label', found.unlabelled);
  const files = sorted(found.labelled);
  if (splitWithinClass) return { layout: 'split_folders', files, unused, missing: [], warnings };
  const paths = inside.map((image) => image.folders);
  const suspicious = [...looksLikeSplits(paths), ...nestedClasses(paths)];
  return { layout: 'folders', files, unused, missing: [], warnings: [...warnings, ...suspicious] };
}

function isDirect({ folders }: FiledImage): boolean {
  return folders.length === 1;
}

/**
 * Leaves out folders that hold a copy of the folders beside them: `flowers/flowers/rose` beside `flowers/rose`, and
 * `plants/Plants/fern` beside `Plants/fern`. A copy has the same files, by folder, name and size.
 */
function withoutCopies(images: readonly FiledImage[]): {
  inside: readonly FiledImage[];
  copies: readonly FiledImage[];
  copied: readonly string[];
} {
  const folders = byFirstFolder(images);
  if (folders.size < 2) return { inside: images, copies: [], copied: [] };
  const key = ({ file, folders: path }: FiledImage) =>
    `${path.at(-1)}/${file.name.slice(file.name.lastIndexOf('/') + 1)}/${file.bytes}`;
  const namesOf = new Map<string, string[]>();
  for (const name of folders.keys()) {
    const lower = name.toLowerCase();
    namesOf.set(lower, [...(namesOf.get(lower) ?? []), name]);
  }
  const isCopy = (name: string): boolean => {
    const members = folders.get(name) ?? [];
    const { inside, wrappers } = unwrapped(members);
    const shared = [...byFirstFolder(inside).keys()].filter((each) => each !== name && folders.has(each));
    const twin = wrappers
      .flatMap((wrapper) => namesOf.get(wrapper.toLowerCase()) ?? [])
      .find((other) => other !== name);
    if (shared.length < 2 && twin === undefined) return false;
    const beside = twin === undefined ? shared : [twin];
    const keys = new Set(beside.flatMap((other) => folders.get(other)?.map(key) ?? []));
    return members.filter((member) => keys.has(key(member))).length >= members.length * MIN_COPIED;
  };
  const copied = [...folders.keys()].filter(isCopy);
  if (copied.length === 0) return { inside: images, copies: [], copied };
  return {
    inside: stripWrappers(images.filter(({ folders: [first = ''] }) => !copied.includes(first))).inside,
    copies: images.filter(({ folders: [first = ''] }) => copied.includes(first)),
    copied,
  };
}

/** The images of one folder without the folders that hold all of them, and these folders within it. */
function unwrapped(members: readonly FiledImage[]): { inside: readonly FiledImage[]; wrappers: readonly string[] } {
  const wrappers: string[] = [];
  let inside = members.map(withoutFirstFolder);
  for (;;) {
    const [only, ...others] = byFirstFolder(inside).keys();
    if (only === undefined || only === '' || others.length > 0) return { inside, wrappers };
    wrappers.push(only);
    inside = inside.map(withoutFirstFolder);
  }
}

/** Images below a folder called `unlabelled` have no label, whatever other folders are around them. */
function withoutUnlabelled(all: readonly FiledImage[]): {
  images: readonly FiledImage[];
  unlabelled: readonly FiledImage[];
  warnings: readonly DatasetWarning[];
} {
  const unlabelled = all.filter(({ folders }) => folders.some(meansUnlabelled));
  if (unlabelled.length === 0 || unlabelled.length === all.length) return { images: all, unlabelled: [], warnings: [] };
  const names = [...new Set(unlabelled.flatMap(({ folders }) => folders.find(meansUnlabelled) ?? []))];
  return {
    images: all.filter(({ folders }) => !folders.some(meansUnlabelled)),
    unlabelled,
    warnings: [unlabelledFolders(names, unlabelled.length)],
  };
}

/** Labels the images of the folders that are splits. */
function labelBySplits(folders: ReadonlyMap<string, readonly FiledImage[]>, splits: ReadonlyMap<string, Split>) {
  const parts = [...splits].map(([folder, split]) => {
    const members = folders.get(folder) ?? [];
    return { folder, split, members, ...bySplitFolder(members, split) };
  });
  const trained = new Set(parts.flatMap(({ split, labelled }) => (split === 'train' ? labelsOf(labelled) : [])));
  const unlabelled: { readonly file: SourceFile }[] = [];
  const labelled: LabelledFile[] = [];
  const warnings: DatasetWarning[] = [];
  for (const part of parts) {
    // Keras asks for a folder even around images without labels.
    const isPlaceholder = (label: string) => meansUnknown(label) && !isNegative(label) && !trained.has(label);
    const withLabel = part.labelled.filter(({ label }) => !isPlaceholder(label));
    labelled.push(...withLabel);
    unlabelled.push(...part.unlabelled, ...part.labelled.filter(({ label }) => isPlaceholder(label)));
    if (withLabel.length === 0) warnings.push(splitWithoutLabels(part.folder, part.members.length));
  }
  return { labelled, unlabelled, warnings };
}

/**
 * Strips folders that contain all others. The last folders are kept: they are the classes.
 * @returns the images in the folders that are left, and the images outside them, which have no label
 */
function stripWrappers(images: readonly FiledImage[]): {
  inside: readonly FiledImage[];
  outside: readonly FiledImage[];
} {
  const outside: FiledImage[] = [];
  let inside = images;
  for (;;) {
    outside.push(...inside.filter(({ folders }) => folders.length === 0));
    inside = inside.filter(({ folders }) => folders.length > 0);
    const isWrapper = byFirstFolder(inside).size === 1 && inside.some(({ folders }) => folders.length > 1);
    if (!isWrapper) return { inside, outside };
    inside = inside.map(withoutFirstFolder);
  }
}

function byFirstFolder(images: readonly FiledImage[]): ReadonlyMap<string, readonly FiledImage[]> {
  const groups = new Map<string, FiledImage[]>();
  for (const image of images) {
    const [first = ''] = image.folders;
    const group = groups.get(first);
    if (group === undefined) groups.set(first, [image]);
    else group.push(image);
  }
  return groups;
}

/**
 * The folders that are splits, if the layout has them. A folder named `train` may also be a class of vehicles: it is a
 * split if most of its images are in subfolders.
 */
function splitFolders(folders: ReadonlyMap<string, readonly FiledImage[]>): ReadonlyMap<string, Split> | undefined {
  const splits = splitsAmong([...folders.keys()]);
  const withClasses = [...splits].filter(([name]) => {
    const members = folders.get(name) ?? [];
    return members.filter((image) => image.folders.length > 1).length * 2 > members.length;
  });
  const hasTraining = withClasses.some(([, split]) => split === 'train');
  return hasTraining || (withClasses.length > 0 && withClasses.length === folders.size) ? splits : undefined;
}

/**
 * The images of one split by class. A folder that holds all the others and is named like the split, or only says that
 * it holds images, is a wrapper: `training_set/training_set/cat`, `train/images/cat`.
 */
function bySplitFolder(members: readonly FiledImage[], split: Split): ReturnType<typeof byClass> {
  const unlabelled: FiledImage[] = [];
  let images = members.map(withoutFirstFolder);
  for (;;) {
    unlabelled.push(...images.filter(({ folders }) => folders.length === 0));
    images = images.filter(({ folders }) => folders.length > 0);
    const [only, ...others] = byFirstFolder(images).keys();
    const isWrapper = only !== undefined && others.length === 0 && (splitOf(only) === split || isGenericName(only));
    if (!isWrapper) break;
    images = images.map(withoutFirstFolder);
  }
  const found = byClass(images, () => split);
  return { labelled: found.labelled, unlabelled: [...unlabelled, ...found.unlabelled] };
}

function withoutFirstFolder({ file, folders: [, ...folders] }: FiledImage): FiledImage {
  return { file, folders };
}

function labelsOf(files: readonly LabelledFile[]): string[] {
  return files.map(({ label }) => label);
}

function byClass(
  images: readonly FiledImage[],
  splitFor: (rest: readonly string[]) => Split | undefined,
): { labelled: LabelledFile[]; unlabelled: FiledImage[] } {
  const labelled: LabelledFile[] = [];
  const unlabelled: FiledImage[] = [];
  for (const image of images) {
    const [folder = '', ...rest] = image.folders;
    const label = labelText(folder);
    if (label === '') unlabelled.push(image);
    else labelled.push({ file: image.file, label, split: splitFor(rest) });
  }
  return { labelled, unlabelled };
}

function sorted(files: LabelledFile[]): LabelledFile[] {
  return files.sort((a, b) => (a.file.name < b.file.name ? -1 : 1));
}
