import { SERVER_PATH } from '../api/address.ts';
import { type Draft, emptyDraft } from './draft.ts';
import type { Edit } from './edits.ts';
import { DraftStore } from './store.ts';

/** The parts of a draft that make its version. */
const TAUGHT = ['classes', 'zip', 'encoding'] as const satisfies readonly (keyof Draft)[];

/** Pages under different prefixes of one host have drafts of their own. */
const NAME = `menagerie${SERVER_PATH}`;

/**
 * The draft of the user. Each edit makes a new value, which is kept in the browser: a reload, a crash or another window
 * of the page finds it there.
 */
export class DraftHolder {
  readonly #listeners = new Set<() => void>();
  /** Tells other windows of the page that the kept draft is a new one. */
  readonly #channel = new BroadcastChannel(NAME);
  #draft = emptyDraft();
  #kept: Draft = this.#draft;
  #store: DraftStore | undefined;
  #opened: Promise<void> | undefined;
  #saving: Promise<void> | undefined;
  #trouble: string | undefined;
  #lost = 0;

  get current(): Draft {
    return this.#draft;
  }

  /** Why the draft would not come back after a reload; undefined when it would. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** Files of the draft that the browser no longer had. */
  get lost(): number {
    return this.#lost;
  }

  /** Whether the draft is kept as it is now. */
  get isKept(): boolean {
    return this.#kept === this.#draft;
  }

  /** Finds the draft that was kept. Edits are for later. */
  open(): Promise<void> {
    this.#opened ??= this.#open();
    return this.#opened;
  }

  edit(edit: Edit): void {
    const changes = edit(this.#draft);
    const next = { ...this.#draft, ...changes };
    const taught = TAUGHT.some((part) => next[part] !== this.#draft[part]);
    this.#draft = taught ? { ...next, version: next.version + 1 } : next;
    this.#tell();
    this.#saving ??= this.#save().finally(() => {
      this.#saving = undefined;
    });
  }

  /** @param listener called after each change @returns a function that ends it */
  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #open(): Promise<void> {
    try {
      this.#store = await DraftStore.open(NAME);
      await this.#read(this.#store);
      this.#channel.addEventListener('message', () => {
        // What this window has not kept yet is newer.
        if (this.#store && this.isKept) void this.#read(this.#store).then(() => this.#tell());
      });
    } catch (thrown) {
      this.#trouble = messageOf(thrown);
    }
  }

  async #read(store: DraftStore): Promise<void> {
    const found = await store.read();
    if (found === undefined) return;
    this.#draft = found.draft;
    this.#kept = found.draft;
    this.#lost = found.lost;
  }

  /** Keeps the draft until what is kept is what is current. */
  async #save(): Promise<void> {
    while (this.#store !== undefined && !this.isKept) {
      const saved = this.#draft;
      try {
        await this.#store.write(saved);
        this.#trouble = undefined;
        this.#kept = saved;
        this.#channel.postMessage(saved.version);
      } catch (thrown) {
        this.#trouble = messageOf(thrown);
        // Later edits may make it smaller.
        if (saved === this.#draft) break;
      }
    }
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
