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

/** An image with those folders of its path that are not yet understood; the file's own name is not among them. */
interface Placed {
  readonly file: SourceFile;
  readonly folders: readonly string[];
}

interface FolderLabels {
  readonly layout: 'folders' | 'split_folders';
  readonly files: readonly LabelledFile[];
  readonly unused: readonly UnusedFile[];
  readonly missing: readonly string[];
}

/** Labels images by the folders they lie in; see `readDataset` for the rules. */
export function labelByFolders(candidates: readonly SourceFile[]): FolderLabels {
  const unused: UnusedFile[] = [];
  const dropped = (reason: UnusedReason, images: readonly Placed[]): void => {
    for (const { file } of images) unused.push({ name: file.name, reason });
  };

  const images: Placed[] = [];
  for (const file of candidates) {
    if (isImageName(file.name)) images.push({ file, folders: file.name.split('/').slice(0, -1) });
    else unused.push({ name: file.name, reason: 'not_an_image' });
  }

  const { inside, beside } = stripWrappers(images);
  dropped('no_label', beside);
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

  // cat/train/1.jpg: the other way round, but only when every image says so.
  const inner = inside.map(({ folders: [, second = ''] }) => splitOf(second));
  const splitWithinClass = inner.every((split) => split !== undefined) && inner.includes('train');
  const { labelled, unlabelled } = byClass(inside, (rest) => (splitWithinClass ? splitOf(rest[0] ?? '') : undefined));
  dropped('no_label', unlabelled);
  return { layout: splitWithinClass ? 'split_folders' : 'folders', files: sorted(labelled), unused, missing: [] };
}

/**
 * Goes into the one folder that holds all others, as long as that leads to further folders: a class of its own would
 * be of no use. Images that lie beside the way have no label.
 */
function stripWrappers(images: readonly Placed[]): { inside: readonly Placed[]; beside: readonly Placed[] } {
  const beside: Placed[] = [];
  let inside = images;
  for (;;) {
    beside.push(...inside.filter(({ folders }) => folders.length === 0));
    inside = inside.filter(({ folders }) => folders.length > 0);
    const isWrapper = byFirstFolder(inside).size === 1 && inside.some(({ folders }) => folders.length > 1);
    if (!isWrapper) return { inside, beside };
    inside = inside.map(({ file, folders: [, ...rest] }) => ({ file, folders: rest }));
  }
}

function byFirstFolder(images: readonly Placed[]): ReadonlyMap<string, readonly Placed[]> {
  const groups = new Map<string, Placed[]>();
  for (const image of images) {
    const [first = ''] = image.folders;
    const group = groups.get(first);
    if (group === undefined) groups.set(first, [image]);
    else group.push(image);
  }
  return groups;
}

/** A folder named `train` may be a class of vehicles: it is a split when most of it lies in folders of its own. */
function isSplitLayout(folders: ReadonlyMap<string, readonly Placed[]>): boolean {
  const splits = [...folders].filter(
    ([name, members]) =>
      splitOf(name) !== undefined && members.filter((image) => image.folders.length > 1).length * 2 > members.length,
  );
  const hasTraining = splits.some(([name]) => splitOf(name) === 'train');
  return hasTraining || (splits.length > 0 && splits.length === folders.size);
}

function byClass(
  images: readonly Placed[],
  splitFor: (rest: readonly string[]) => Split | undefined,
): { labelled: LabelledFile[]; unlabelled: Placed[] } {
  const labelled: LabelledFile[] = [];
  const unlabelled: Placed[] = [];
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
