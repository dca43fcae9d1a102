import { fileAt } from './dropped-url.ts';
import { showToast } from './toast.ts';

type OnFiles = (files: readonly File[]) => void;

/** The elements of the page that take files. */
const takers = new WeakMap<Element, OnFiles>();

/** The one element that a drag is over. */
let over: Element | undefined;

/** Lets files, folders and the addresses of images be dropped on an element. The innermost such element gets them. */
export function acceptDrops(element: HTMLElement, onFiles: OnFiles): void {
  takers.set(element, onFiles);
}

/**
 * Follows every drag over the page. While one is under way the page has the class `dragging`, and the element that
 * would take its files `over`. What no element takes does not replace the page.
 */
export function followDrags(): void {
  window.addEventListener('dragover', (event) => {
    if (!carriesSomething(event)) return;
    event.preventDefault();
    document.body.classList.add('dragging');
    mark(takerAt(event));
    if (event.dataTransfer && over === undefined) event.dataTransfer.dropEffect = 'none';
  });
  // Without a related target the drag has left the window.
  window.addEventListener('dragleave', ({ relatedTarget }) => relatedTarget === null && end());
  window.addEventListener('dragend', end);
  window.addEventListener('drop', (event) => {
    if (!carriesSomething(event)) return;
    event.preventDefault();
    const taker = takerAt(event);
    end();
    const onFiles = taker && takers.get(taker);
    if (onFiles && event.dataTransfer) deliver(filesOf(event.dataTransfer), onFiles);
  });
}

/** Accepts images that are pasted anywhere on the page, as files or by their addresses. @returns a function that ends it */
export function acceptPastes(onFiles: OnFiles): () => void {
  const listener = (event: ClipboardEvent): void => {
    const { clipboardData, target } = event;
    if (clipboardData === null) return;
    const files = [...clipboardData.files];
    const text = clipboardData.getData('text/plain').trim();
    const isTyping = target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;
    if (files.length === 0 && (isTyping || !/^(https?:|data:image)\S+$/.test(text))) return;
    event.preventDefault();
    deliver(files.length > 0 ? Promise.resolve(files) : fileAt(text).then((file) => [file]), onFiles);
  };
  document.addEventListener('paste', listener);
  return () => document.removeEventListener('paste', listener);
}

/** The folder of files that were dropped in one. */
const folders = new WeakMap<File, string>();

/** The name of the folder that a dropped file was in; undefined for a file that was dropped alone. */
export function folderOf(file: File): string | undefined {
  return folders.get(file);
}

function deliver(found: Promise<readonly File[]>, onFiles: OnFiles): void {
  found.then(
    (files) => files.length > 0 && onFiles(files),
    (thrown: unknown) => showToast(thrown instanceof Error ? thrown.message : String(thrown)),
  );
}

function carriesSomething({ dataTransfer }: DragEvent): boolean {
  return ['Files', 'text/uri-list'].some((type) => dataTransfer?.types.includes(type));
}

function takerAt({ target }: DragEvent): Element | undefined {
  let element = target instanceof Element ? target : null;
  while (element !== null && !takers.has(element)) element = element.parentElement;
  return element ?? undefined;
}

function mark(next: Element | undefined): void {
  if (over === next) return;
  over?.classList.remove('over');
  next?.classList.add('over');
  over = next;
}

function end(): void {
  document.body.classList.remove('dragging');
  mark(undefined);
}

/** The dropped files, those in folders included, or the image at the dropped address. */
async function filesOf(transfer: DataTransfer): Promise<readonly File[]> {
  // All is read before the first wait, after which a browser empties the transfer.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const files = [...transfer.files];
  const address = transfer
    .getData('text/uri-list')
    .split(/\r?\n/)
    .find((line) => line !== '' && !line.startsWith('#'));
  if (entries.some((entry) => entry.isDirectory)) return (await Promise.all(entries.map(filesIn))).flat();
  if (files.length > 0 || address === undefined) return files;
  return [await fileAt(address)];
}

async function filesIn(entry: FileSystemEntry): Promise<File[]> {
  if (isFileEntry(entry)) {
    const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
    const folder = entry.fullPath.split('/').at(-2);
    if (folder) folders.set(file, folder);
    return [file];
  }
  if (!isDirectoryEntry(entry)) return [];
  const reader = entry.createReader();
  const files: File[] = [];
  for (;;) {
    // A reader returns up to a hundred entries at a time, and none at the end.
    const batch = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (batch.length === 0) return files;
    for (const child of batch) if (!child.name.startsWith('.')) files.push(...(await filesIn(child)));
  }
}

// Some browsers do not expose these classes, so `instanceof` cannot be used.
function isFileEntry(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile;
}

function isDirectoryEntry(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}
