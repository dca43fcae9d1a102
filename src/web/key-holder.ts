import type { Client } from './api/client.ts';
import type { Session } from './api/schema.ts';
import { askForKey } from './components/key-dialog.ts';

/** The key of the user. The page itself never has it: it is in a cookie that scripts cannot read. */
export class KeyHolder {
  readonly #client: Client;
  readonly #onChange: (session: Session) => void;
  #session: Session | undefined;
  #asking: Promise<boolean> | undefined;

  /** @param client one that asks for no key @param onChange called when it is known what the user may do */
  constructor(client: Client, onChange: (session: Session) => void) {
    this.#client = client;
    this.#onChange = onChange;
  }

  /** Whether requests are sent with a key. */
  get inUse(): boolean {
    return this.#session?.client === 'key';
  }

  /** Finds out what the user may do. */
  async read(): Promise<void> {
    this.#set(await this.#client.call('readSession', {}));
  }

  /** Asks the user for a key, once for all requests that need one. @returns whether there is one now */
  ask(): Promise<boolean> {
    this.#asking ??= askForKey(async (key) => {
      this.#set(await this.#client.call('startSession', { json: { key } }));
    }).finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  /** Forgets the key. */
  async forget(): Promise<void> {
    await this.#client.call('endSession', {});
    await this.read();
  }

  #set(session: Session): void {
    this.#session = session;
    this.#onChange(session);
  }
}
