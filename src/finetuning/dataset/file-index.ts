import { isImage, withoutImageExtension } from './dataset-layout.ts';
import type { SourceFile } from './image-source.ts';
import { splitOf } from './split-names.ts';

/** Files that the name in one row may mean. One is the answer, several are ambiguous. */
export type FindFiles = (name: string) => readonly SourceFile[];

/** Most files to find for one name. */
const MAX_FOUND = 20;

interface Ending {
  /** A path in reverse: sorted by it, files whose paths end alike are neighbours. */
  readonly key: string;
  readonly file: SourceFile;
}

/** Finds files by the names in a table. */
export class FileIndex {
  private readonly folder: string;
  private readonly byPath: ReadonlyMap<string, SourceFile>;
  private readonly endings: readonly Ending[];
  /** Images by their path in lower case and without extension. */
  private readonly looseEndings: readonly Ending[];
  private readonly inOneFolder: boolean;

  /** @param folder the folder of the table, from the root, with a slash at its end unless it is the root */
  constructor(files: readonly SourceFile[], folder: string) {
    this.folder = folder;
    this.byPath = new Map(files.map((file) => [file.name, file]));
    this.endings = endingsOf(files, (name) => name);
    const images = files.filter(isImage);
    this.looseEndings = endingsOf(images, looseName);
    this.inOneFolder = new Set(images.map(({ name }) => name.slice(0, name.lastIndexOf('/') + 1))).size === 1;
  }

  /**
   * A function that finds files by one of `names`: by the path from the folder of the table; by the end of the path; or
   * by that without extension and regardless of case. Names may be absolute, of Windows, or URLs: leading folders that
   * all names have in common need not exist. If all images are in one folder, folders of the names do not matter.
   */
  finder(names: readonly string[]): FindFiles {
    const common = commonFolders(names.filter((name) => name !== '').map(pathOf));
    return (name) => {
      const path = pathOf(name);
      const last = path.length - 1;
      if (last < 0) return [];
      for (let dropped = 0; dropped <= Math.min(common, last); dropped++) {
        const found = this.at(path.slice(dropped).join('/'));
        if (found.length > 0) return found;
      }
      // Label Studio writes eight hex digits before the name of an uploaded file.
      const file = path[last] ?? '';
      const uploaded = /^[0-9a-f]{8}-(.+)$/.exec(file)?.[1];
      const ending = (uploaded === undefined ? [] : this.at(uploaded)).concat(this.inOneFolder ? this.at(file) : []);
      return ending.filter((found) => splitsAgree(path, found));
    };
  }

  private at(path: string): SourceFile[] {
    const exact = this.byPath.get(this.folder + path);
    if (exact !== undefined) return [exact];
    const found = endingWith(this.endings, path);
    return found.length > 0 ? found : endingWith(this.looseEndings, looseName(path));
  }
}

/** The segments of the path that a cell gives, without drive, scheme, host, and parents. */
function pathOf(cell: string): readonly string[] {
  // Label Studio gives files of its machine as /data/local-files/?d=<path>.
  const local = cell.includes('?') ? new URLSearchParams(cell.slice(cell.indexOf('?'))).get('d') : null;
  return (local ?? cell)
    .normalize('NFC')
    .replaceAll('\\', '/')
    .replace(/^(?:[a-z]:|[a-z][a-z0-9+.-]*:\/\/[^/]*)/i, '')
    .split('/')
    .filter((segment) => segment !== '' && segment !== '.' && segment !== '..');
}

/** The number of leading folders that all paths have in common. */
function commonFolders([first = [], ...others]: readonly (readonly string[])[]): number {
  let common = Math.max(0, first.length - 1);
  for (const path of others) {
    common = Math.min(common, path.length - 1);
    for (let at = 0; at < common; at++) if (path[at] !== first[at]) common = at;
  }
  return common;
}

/** Whether a path and a file that was found by its last part alone are in the same split, where both give one. */
function splitsAgree(path: readonly string[], file: SourceFile): boolean {
  const splits = [path.slice(0, -1), file.name.split('/').slice(0, -1)].map((folders) =>
    folders.map(splitOf).find((split) => split !== undefined),
  );
  return splits[0] === undefined || splits[1] === undefined || splits[0] === splits[1];
}

function looseName(name: string): string {
  return withoutImageExtension(name).toLowerCase();
}

function endingsOf(files: readonly SourceFile[], keyOf: (name: string) => string): Ending[] {
  return files
    .map((file) => ({ key: reversed(`/${keyOf(file.name)}`), file }))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
}

function endingWith(endings: readonly Ending[], path: string): SourceFile[] {
  const end = reversed(`/${path}`);
  const found: SourceFile[] = [];
  for (let at = firstIndex(endings, ({ key }) => key >= end); found.length < MAX_FOUND; at += 1) {
    const ending = endings[at];
    if (ending === undefined || !ending.key.startsWith(end)) break;
    found.push(ending.file);
  }
  return found;
}

function reversed(text: string): string {
  return text.split('').reverse().join('');
}

/** Index of the first item that is accepted; all items behind it must be accepted too. */
function firstIndex<T>(items: readonly T[], accepts: (item: T) => boolean): number {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const item = items[middle];
    if (item !== undefined && accepts(item)) high = middle;
    else low = middle + 1;
  }
  return low;
}
