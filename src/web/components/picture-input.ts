import { type Camera, openCamera } from '../camera.ts';
import { h, icon } from '../dom.ts';
import { counted } from '../format.ts';
import { openDialog } from './dialog.ts';
import { errorNotice } from './notice.ts';

/** File types to choose from. */
const IMAGES = 'image/*,.avif,.heic,.heif,.tif,.tiff';
const ZIPS = '.zip,application/zip';

export interface PictureInputOptions {
  readonly onFiles: (files: readonly File[]) => void;
  /** Whether zips can be chosen too. */
  readonly zips?: boolean;
}

/** A button that opens the file dialog of the system. */
export function pickButton(label: string, { onFiles, zips }: PictureInputOptions, primary = false): HTMLElement {
  const input = h('input', {
    type: 'file',
    accept: zips ? `${IMAGES},${ZIPS}` : IMAGES,
    multiple: true,
    hidden: true,
    'data-pick': true,
  });
  input.addEventListener('change', () => {
    const files = [...(input.files ?? [])];
    // Lets the same file be chosen again.
    input.value = '';
    if (files.length > 0) onFiles(files);
  });
  const button = h('button', { type: 'button', class: primary ? 'primary' : '' }, icon('pictures'), label);
  button.addEventListener('click', () => input.click());
  return h('span', {}, button, input);
}

/** Lets files and folders be dropped on an element. */
export function acceptDrops(element: HTMLElement, onFiles: (files: readonly File[]) => void): void {
  let depth = 0;
  const mark = (change: number): void => {
    depth = Math.max(0, depth + change);
    element.classList.toggle('over', depth > 0);
  };
  const carriesFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;
  element.addEventListener('dragenter', (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    event.stopPropagation();
    mark(1);
  });
  element.addEventListener('dragleave', () => mark(-1));
  element.addEventListener('dragover', (event) => {
    if (carriesFiles(event)) event.preventDefault();
  });
  element.addEventListener('drop', (event) => {
    if (event.dataTransfer === null) return;
    event.preventDefault();
    event.stopPropagation();
    depth = 0;
    mark(0);
    void filesOf(event.dataTransfer).then((files) => {
      if (files.length > 0) onFiles(files);
    });
  });
}

/** Accepts files that are pasted anywhere on the page. @returns a function that ends it */
export function acceptPastes(onFiles: (files: readonly File[]) => void): () => void {
  const listener = (event: ClipboardEvent): void => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    onFiles(files);
  };
  document.addEventListener('paste', listener);
  return () => document.removeEventListener('paste', listener);
}

/** A button that opens a dialog to take photos with the camera. */
export function cameraButton(onFiles: (files: readonly File[]) => void): HTMLButtonElement {
  const button = h('button', { type: 'button' }, icon('camera'), 'Camera');
  button.addEventListener('click', () => {
    const place = h('div', { class: 'camera' }, h('p', { class: 'muted' }, 'Waiting for the camera …'));
    let camera: Camera | undefined;
    let closed = false;
    openDialog('Take photos', place, () => {
      closed = true;
      camera?.stop();
    });
    openCamera().then(
      (opened) => {
        camera = opened;
        if (closed) return opened.stop();
        const take = h('button', { type: 'button', class: 'primary' }, icon('camera'), 'Take photo');
        const told = h(
          'p',
          { class: 'muted', role: 'status' },
          'Each photo is added at once. Close this dialog when you are done.',
        );
        let taken = 0;
        take.addEventListener('click', () => {
          taken += 1;
          void opened.picture(`camera-${taken}.jpg`).then((file) => {
            onFiles([file]);
            told.textContent = `${counted(taken, 'photo')} taken`;
          });
        });
        place.replaceChildren(opened.video, take, told);
        take.focus();
      },
      (thrown: unknown) => place.replaceChildren(errorNotice(thrown)),
    );
  });
  return button;
}

/** The folder of files that were dropped in one. */
const folders = new WeakMap<File, string>();

/** The name of the folder that a dropped file was in; undefined for a file that was dropped alone. */
export function folderOf(file: File): string | undefined {
  return folders.get(file);
}

/** The dropped files, those in folders included. */
async function filesOf(transfer: DataTransfer): Promise<File[]> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
  const nested = await Promise.all(entries.map(filesIn));
  return nested.flat();
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
