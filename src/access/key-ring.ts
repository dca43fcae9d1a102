import { messageOf } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import { idOfKey, isKey, type StoredKey } from './api-key.ts';
import type { KeyFile } from './key-file.ts';

/** How often the file is looked at: a revoked key is refused after this many milliseconds. */
const LOOK_INTERVAL_MS = 1_000;

/** The keys that a running server knows. It notices keys that the command line makes and revokes. */
export class KeyRing {
  readonly #file: KeyFile;
  readonly #logger: Logger;
  #keys: ReadonlyMap<string, StoredKey> = new Map();
  #everHadKeys = false;
  #seen: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  private constructor(file: KeyFile, logger: Logger) {
    this.#file = file;
    this.#logger = logger;
  }

  /** Reads the keys. @throws Error when their file is damaged or cannot be read */
  static async open(file: KeyFile, logger: Logger): Promise<KeyRing> {
    const ring = new KeyRing(file, logger);
    ring.#seen = await file.state();
    ring.#take((await file.read()) ?? []);
    return ring;
  }

  /** Looks for changed keys from now on. */
  watch(): void {
    this.#timer = setInterval(() => void this.look(), LOOK_INTERVAL_MS).unref();
  }

  /** Whether there is, or ever was, a key. */
  get everHadKeys(): boolean {
    return this.#everHadKeys;
  }

  /** Whether there is a key that is not revoked. */
  get hasValidKey(): boolean {
    return this.#keys.size > 0;
  }

  /** The valid key that a text is. */
  find(text: string): StoredKey | undefined {
    const stored = this.#keys.get(idOfKey(text) ?? '');
    return stored !== undefined && isKey(text, stored) ? stored : undefined;
  }

  /**
   * Reads the keys again if their file has changed. A file that is damaged or gone changes nothing, and is reported:
   * otherwise whoever can break it would open the server.
   */
  async look(): Promise<void> {
    try {
      const state = await this.#file.state();
      if (state === this.#seen) return;
      this.#seen = state;
      const keys = await this.#file.read();
      if (keys === undefined) throw new Error(`${this.#file.path} is gone; the server keeps the keys that it has`);
      const before = this.#keys;
      this.#take(keys);
      this.#report(before);
    } catch (thrown) {
      this.#logger.error({ reason: messageOf(thrown) }, 'the keys cannot be read again');
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #take(keys: readonly StoredKey[]): void {
    this.#keys = new Map(keys.filter(({ revoked_at }) => revoked_at === null).map((each) => [each.id, each]));
    if (keys.length > 0) this.#everHadKeys = true;
  }

  /** Logs what has changed: the command line that did it has no log. */
  #report(before: ReadonlyMap<string, StoredKey>): void {
    const report = (action: string, { id, name, scope }: StoredKey): void =>
      this.#logger.info({ audit: true, client: 'command line', action, key: { id, name, scope } }, 'audit');
    for (const [id, key] of this.#keys) if (!before.has(id)) report('key created', key);
    for (const [id, key] of before) if (!this.#keys.has(id)) report('key revoked', key);
  }
}
