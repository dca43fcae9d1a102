import { bytes } from '../format.ts';
import type { Draft, DraftFile } from './draft.ts';

/** What the browser keeps of a draft: instead of files, their ids. */
interface KeptDraft extends Omit<Draft, 'classes' | 'zip'> {
  readonly classes: readonly { readonly id: string; readonly name: string; readonly pictures: readonly string[] }[];
  readonly zip: string | undefined;
}

/** A draft that was kept. */
export interface FoundDraft {
  readonly draft: Draft;
  /** Files that the browser no longer has. */
  readonly lost: number;
}

/** Browsers give a page this much without asking; a larger draft is likely to be refused half-way. */
const MAX_KEPT_BYTES = 1e9;

const DRAFT = 'draft';
const FILES = 'files';

/** Keeps the draft in the IndexedDB of the browser: a record of it, and each file once, so that an edit writes little. */
export class DraftStore {
  readonly #database: IDBDatabase;

  private constructor(database: IDBDatabase) {
    this.#database = database;
  }

  /** @throws Error that says that the browser keeps nothing */
  static async open(name: string): Promise<DraftStore> {
    try {
      const request = indexedDB.open(name, 1);
      request.addEventListener('upgradeneeded', () => {
        request.result.createObjectStore(DRAFT);
        request.result.createObjectStore(FILES);
      });
      return new DraftStore(await resultOf(request));
    } catch (cause) {
      throw new Error('This browser keeps no data of this page, perhaps since the window is private.', { cause });
    }
  }

  async read(): Promise<FoundDraft | undefined> {
    const transaction = this.#database.transaction([DRAFT, FILES]);
    const kept = await resultOf<KeptDraft | undefined>(transaction.objectStore(DRAFT).get(DRAFT));
    if (kept === undefined) return undefined;
    const store = transaction.objectStore(FILES);
    const [ids, found] = await Promise.all([
      resultOf<IDBValidKey[]>(store.getAllKeys()),
      resultOf<File[]>(store.getAll()),
    ]);
    const files = new Map(ids.map((id, index) => [id, found[index]]));
    let lost = 0;
    const fileOf = (id: string): DraftFile[] => {
      const file = files.get(id);
      if (file === undefined) lost += 1;
      return file === undefined ? [] : [{ id, file }];
    };
    const classes = kept.classes.map((each) => ({ ...each, pictures: each.pictures.flatMap(fileOf) }));
    const zip = kept.zip === undefined ? undefined : fileOf(kept.zip)[0];
    return { draft: { ...kept, classes, zip }, lost };
  }

  /** Writes all of the draft or nothing. @throws Error that says why the browser refused */
  async write(draft: Draft): Promise<void> {
    const { classes, zip } = draft;
    const files = new Map(classes.flatMap(({ pictures }) => pictures).map(({ id, file }) => [id, file]));
    if (zip !== undefined) files.set(zip.id, zip.file);
    const size = [...files.values()].reduce((sum, file) => sum + file.size, 0);
    if (size > MAX_KEPT_BYTES)
      throw new Error(`It has ${bytes(size)}, and the page keeps up to ${bytes(MAX_KEPT_BYTES)}.`);
    const transaction = this.#database.transaction([DRAFT, FILES], 'readwrite');
    const written = completed(transaction);
    const store = transaction.objectStore(FILES);
    const keys = store.getAllKeys();
    keys.addEventListener('success', () => {
      const kept = new Set<IDBValidKey>(keys.result);
      for (const [id, file] of files) if (!kept.has(id)) store.put(file, id);
      for (const id of kept) if (!files.has(String(id))) store.delete(id);
      transaction.objectStore(DRAFT).put(recordOf(draft), DRAFT);
    });
    await written;
  }
}

function recordOf(draft: Draft): KeptDraft {
  const classes = draft.classes.map(({ id, name, pictures }) => ({
    id,
    name,
    pictures: pictures.map((each) => each.id),
  }));
  return { ...draft, classes, zip: draft.zip?.id };
}

function resultOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.addEventListener('success', () => resolve(request.result));
    request.addEventListener('error', () => reject(request.error));
  });
}

function completed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.addEventListener('complete', () => resolve());
    transaction.addEventListener('abort', () => reject(refusal(transaction.error)));
  });
}

function refusal(cause: DOMException | null): Error {
  if (cause?.name === 'QuotaExceededError') return new Error('The browser has no space left for this page.', { cause });
  return new Error(`The browser says: ${cause?.message ?? 'the write was ended'}`, { cause });
}
