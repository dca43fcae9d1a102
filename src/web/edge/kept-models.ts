import { SERVER_URL } from '../api/address.ts';

/** A model that is kept in this browser. */
export interface KeptModel {
  readonly id: string;
  readonly bytes: number;
}

/** The address is the same for all servers of a host; each has models of its own. */
const CACHE = `${SERVER_URL}/edge#models`;
const SIZE = 'content-length';

/**
 * Exported models in the Cache Storage of this browser, one zip each. Only the zip is kept: no header of the answer,
 * no key. Browsers offer the storage over HTTPS and on this machine only; elsewhere nothing is kept.
 */
export class KeptModels {
  readonly #storage: CacheStorage | undefined = globalThis.caches;

  /** Keeps a model instead of what was kept of it. @throws DOMException when there is no space */
  async keep(id: string, zip: Blob): Promise<void> {
    const cache = await this.#storage?.open(CACHE);
    const headers = { 'content-type': 'application/zip', [SIZE]: String(zip.size) };
    await cache?.put(addressOf(id), new Response(zip, { headers }));
  }

  async find(id: string): Promise<Blob | undefined> {
    const cache = await this.#storage?.open(CACHE);
    return (await cache?.match(addressOf(id)))?.blob();
  }

  async list(): Promise<KeptModel[]> {
    const cache = await this.#storage?.open(CACHE);
    const requests = (await cache?.keys()) ?? [];
    return Promise.all(
      requests.map(async (request) => {
        const found = await cache?.match(request);
        const id = decodeURIComponent(new URL(request.url).pathname.split('/').at(-1) ?? '');
        return { id, bytes: Number(found?.headers.get(SIZE) ?? 0) };
      }),
    );
  }

  async remove(id: string): Promise<void> {
    const cache = await this.#storage?.open(CACHE);
    await cache?.delete(addressOf(id));
  }
}

/** A name in the storage; nothing is asked for there. */
function addressOf(id: string): string {
  return `${SERVER_URL}/edge/models/${encodeURIComponent(id)}`;
}
