import {
  ARCHIVE_NAME,
  type DatasetWarning,
  isImage,
  type LabelledFile,
  labelText,
  meansUnknown,
  systemFileReason,
} from './dataset-layout.ts';
import type { ImageSource, SourceFile } from './image-source.ts';
import { isGenericName, splitOf, splitsAmong } from './split-names.ts';

/** Folders to name in a message. */
const MAX_NAMED = 6;

/** The warning for a split whose images have no labels. @param folder the name of its folder */
export function splitWithoutLabels(folder: string, images: number): DatasetWarning {
  const name = JSON.stringify(folder);
  return {
    code: 'split_without_labels',
    message:
      `the ${images} images in ${name} are not used: none is in the folder of a class; ` +
      `to test on them, put them into one folder per class below ${name}`,
    context: { folder, images },
  };
}

/** The warning for folders whose names say that their images have no label. */
export function unlabelledFolders(folders: readonly string[], images: number): DatasetWarning {
  return {
    code: 'unlabelled_folder',
    message: `the ${images} images in ${listed(folders)} are not used, since the name says that they have no label`,
    context: { folders: folders.slice(0, MAX_NAMED), images },
  };
}

/** The warning for folders that hold a copy of those beside them. */
export function nestedCopies(folders: readonly string[], images: number): DatasetWarning[] {
  if (folders.length === 0) return [];
  return [
    {
      code: 'nested_copy',
      message: `the ${images} images in ${listed(folders)} are not used: they are a copy of those in the folders beside`,
      context: { folders: folders.slice(0, MAX_NAMED), images },
    },
  ];
}

/** Warns of folders beside those of the classes that hold no image: they are no classes. */
export function emptyClasses(
  { files, emptyFolders = [] }: Pick<ImageSource, 'files' | 'emptyFolders'>,
  labelled: readonly LabelledFile[],
): DatasetWarning[] {
  const parents = new Set<string>();
  const classes = new Set<string>();
  for (const { file, label } of labelled) {
    const folders = file.name.split('/').slice(0, -1);
    const at = folders.findIndex((folder) => labelText(folder) === label);
    if (at < 0) continue;
    classes.add(label);
    parents.add(folders.slice(0, at).join('/'));
  }
  const withImages = new Set(files.filter(isImage).flatMap(({ name }) => foldersAround(name)));
  const others = files.filter((file) => !isImage(file)).flatMap(({ name }) => foldersAround(name));
  const empty = [...new Set([...emptyFolders, ...others])].filter((folder) => {
    const parent = folder.slice(0, Math.max(0, folder.lastIndexOf('/')));
    const name = folder.slice(folder.lastIndexOf('/') + 1);
    return (
      parents.has(parent) && !withImages.has(folder) && !classes.has(name) && systemFileReason(folder) === undefined
    );
  });
  if (empty.length === 0) return [];
  return [
    {
      code: 'empty_folder',
      message: `${listed(empty)} ${empty.length === 1 ? 'holds' : 'hold'} no image, so there is no such class`,
      context: { folders: empty.slice(0, MAX_NAMED) },
    },
  ];
}

/** Warns of archives, which are not opened, since their parts could be anything. */
export function archivesInside(files: readonly SourceFile[]): DatasetWarning[] {
  const found = files.filter(({ name }) => ARCHIVE_NAME.test(name)).map(({ name }) => name);
  if (found.length === 0) return [];
  return [
    {
      code: 'archive_inside',
      message: `${listed(found)} ${found.length === 1 ? 'is an archive' : 'are archives'} and not opened: unpack first`,
      context: { files: found.slice(0, MAX_NAMED) },
    },
  ];
}

/** The paths of the folders around a file. */
function foldersAround(name: string): string[] {
  const folders = name.split('/').slice(0, -1);
  return folders.map((_, index) => folders.slice(0, index + 1).join('/'));
}

/** Says in which encoding the names of an archive were read, where the archive does not say it. */
export function namesDecoded({ nameEncoding, files }: Pick<ImageSource, 'nameEncoding' | 'files'>): DatasetWarning[] {
  if (nameEncoding === undefined) return [];
  const named = files.flatMap(({ name }) => (/[^ -~]/.test(name) ? [name] : [])).slice(0, MAX_NAMED);
  return [
    {
      code: 'name_encoding',
      message:
        `the archive does not say how its names are encoded, and ${nameEncoding} fits: ${listed(named.slice(0, 3))}; ` +
        'if that is wrong, give the right one with encoding=, or create the archive with names in UTF-8',
      context: { encoding: nameEncoding, files: named },
    },
  ];
}

/** Tells of files that are lost since later ones of an archive have their names. */
export function replacedFiles({ ignored }: Pick<ImageSource, 'ignored'>): DatasetWarning[] {
  const replaced = ignored.flatMap(({ name, reason }) => (reason === 'duplicate_name' ? [name] : []));
  if (replaced.length === 0) return [];
  return [
    {
      code: 'duplicate_names',
      message:
        `${replaced.length === 1 ? '1 file is' : `${replaced.length} files are`} not used, since a later file in the ` +
        `archive has the same name: ${listed(replaced)}; to use both, give them different names`,
      context: { count: replaced.length, files: replaced.slice(0, MAX_NAMED) },
    },
  ];
}

/** Warns of classes that stand for anything else. */
export function unknownClasses(classes: readonly string[]): DatasetWarning[] {
  const unknown = classes.filter(meansUnknown);
  if (unknown.length === 0) return [];
  return [
    {
      code: 'unknown_class',
      message:
        `${listed(unknown)} is trained as a class like the others: call it "_unknown" if it shows anything else, so that ` +
        'it teaches the model what it does not know, or remove it if nobody has looked at its pictures yet',
      context: { classes: unknown.slice(0, MAX_NAMED) },
    },
  ];
}

/**
 * Warns of a class whose folder holds folders of the names beside it, but not the same files: `flowers/rose` beside
 * `rose`, or `plants/Plants` beside `Plants`.
 * @param paths the folders around each image, outermost first
 */
export function nestedClasses(paths: readonly (readonly string[])[]): DatasetWarning[] {
  const inner = new Map<string, Set<string>>();
  for (const [outer = '', second] of paths) {
    const names = inner.get(outer) ?? new Set();
    inner.set(outer, second === undefined ? names : names.add(second.toLowerCase()));
  }
  const outerNames = new Set([...inner.keys()].map((name) => name.toLowerCase()));
  const nested = [...inner].filter(([, names]) => names.size > 0 && [...names].every((name) => outerNames.has(name)));
  if (nested.length === 0 || nested.length === inner.size) return [];
  const folders = nested.map(([name]) => name);
  return [
    {
      code: 'nested_classes',
      message:
        `${listed(folders)} ${folders.length === 1 ? 'is' : 'are'} trained as a class, but holds folders with the names ` +
        'of other classes: move their images up, or remove the folder',
      context: { folders: folders.slice(0, MAX_NAMED) },
    },
  ];
}

/**
 * Warns of folders that are taken for classes although they look like splits: their names, or those of the folders
 * within them, mean different splits; their names say no more than split or images; or all of them hold folders of the
 * same names.
 * @param paths the folders around each image, outermost first
 */
export function looksLikeSplits(paths: readonly (readonly string[])[]): DatasetWarning[] {
  const inner = new Map<string, Set<string>>();
  for (const [outer = '', second] of paths) {
    const names = inner.get(outer) ?? new Set();
    inner.set(outer, second === undefined ? names : names.add(second));
  }
  const outerNames = [...inner.keys()];
  const innerNames = [...new Set([...inner.values()].flatMap((names) => [...names]))];
  const named = [outerNames, innerNames].map(splitsAmong).find((splits) => new Set(splits.values()).size > 1);
  if (named !== undefined) return [warning('are named like splits', [...named.keys()])];
  const splitsAndImages = outerNames.every((name) => splitOf(name) !== undefined || isGenericName(name));
  if (inner.size > 1 && splitsAndImages) return [warning('are named like splits or for their images', outerNames)];

  const shared = innerNames.filter((name) => [...inner.values()].every((names) => names.has(name)));
  if (inner.size < 2 || shared.length < 2) return [];
  return [warning(`all hold the folders ${listed(shared)}`, outerNames)];
}

function warning(reason: string, folders: readonly string[]): DatasetWarning {
  return {
    code: 'looks_like_splits',
    message:
      `the folders ${listed(folders)} ${reason}, but the outermost folders are taken for the classes; ` +
      'if they are splits, arrange the images as train/cat/1.jpg and test/cat/2.jpg',
    context: { folders: folders.slice(0, MAX_NAMED) },
  };
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMED).map((name) => JSON.stringify(name));
  return `${shown.join(', ')}${names.length > MAX_NAMED ? ' and others' : ''}`;
}
