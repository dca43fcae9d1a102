import {
  isImageName,
  type LabelledFile,
  labelText,
  type Split,
  splitOf,
  type UnusedFile,
  type UnusedReason,
} from './dataset-layout.ts';
import type { SourceFile } from './image-source.ts';

/** An image and the folders of its path whose meaning is still to be determined, outermost first. */
interface FiledImage {
  readonly file: SourceFile;
  readonly folders: readonly string[];
}

interface FolderLabels {
  readonly layout: 'folders' | 'split_folders';
  readonly files: readonly LabelledFile[];
  readonly unused: readonly UnusedFile[];
  readonly missing: readonly string[];
}

/** Labels images by their folders; see `readDataset` for the rules. */
export function labelByFolders(candidates: readonly SourceFile[]): FolderLabels {
  const unused: UnusedFile[] = [];
  const dropped = (reason: UnusedReason, images: readonly FiledImage[]): void => {
    for (const { file } of images) unused.push({ name: file.name, reason });
  };

  const images: FiledImage[] = [];
  for (const file of candidates) {
    if (isImageName(file.name)) images.push({ file, folders: file.name.split('/').slice(0, -1) });
    else unused.push({ name: file.name, reason: 'not_an_image' });
  }

  const { inside, outside } = stripWrappers(images);
  dropped('no_label', outside);
  const folders = byFirstFolder(inside);

  if (isSplitLayout(folders)) {
    const files: LabelledFile[] = [];
    for (const [folder, members] of folders) {
      const split = splitOf(folder);
      if (split === undefined) {
        dropped('outside_splits', members);
        continue;
      }
      const inClasses = members.map(({ file, folders: [, ...rest] }) => ({ file, folders: rest }));
      const { labelled, unlabelled } = byClass(inClasses, () => split);
      files.push(...labelled);
      dropped('no_label', unlabelled);
    }
    return { layout: 'split_folders', files: sorted(files), unused, missing: [] };
  }

  // Splits within classes, such as cat/train/1.jpg, but only when this is so for every image.
  const inner = inside.map(({ folders: [, second = ''] }) => splitOf(second));
  const splitWithinClass = inner.every((split) => split !== undefined) && inner.includes('train');
  const { labelled, unlabelled } = byClass(inside, (rest) => (splitWithinClass ? splitOf(rest[0] ?? '') : undefined));
  dropped('no_label', unlabelled);
  return { layout: splitWithinClass ? 'split_folders' : 'folders', files: sorted(labelled), unused, missing: [] };
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
    inside = inside.map(({ file, folders: [, ...rest] }) => ({ file, folders: rest }));
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

/** A folder named `train` may also be a class of vehicles: it is a split if most of its images are in subfolders. */
function isSplitLayout(folders: ReadonlyMap<string, readonly FiledImage[]>): boolean {
  const splits = [...folders].filter(
    ([name, members]) =>
      splitOf(name) !== undefined && members.filter((image) => image.folders.length > 1).length * 2 > members.length,
  );
  const hasTraining = splits.some(([name]) => splitOf(name) === 'train');
  return hasTraining || (splits.length > 0 && splits.length === folders.size);
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
