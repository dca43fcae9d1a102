import { errorOf, RequestError, unreachable } from './problem.ts';
import type { FormPart, SentRequest } from './request.ts';
import { OPERATIONS, type Operations } from './schema.ts';

type Name = keyof Operations;

/** Operations without a body take none, those with JSON take it as `json`, the others a form. */
type BodyOf<N extends Name> = Operations[N]['body'] extends undefined
  ? { readonly json?: never; readonly form?: never }
  : Operations[N]['body'] extends FormData | Blob
    ? { readonly form: readonly FormPart[]; readonly json?: never }
    : undefined extends Operations[N]['body']
      ? { readonly json?: Operations[N]['body']; readonly form?: never }
      : { readonly json: Operations[N]['body']; readonly form?: never };

type PathOf<N extends Name> =
  Operations[N]['path'] extends Record<never, never>
    ? keyof Operations[N]['path'] extends never
      ? { readonly path?: never }
      : { readonly path: Operations[N]['path'] }
    : never;

/** Which one is asked: what its path and its query say. */
type Address<N extends Name> = PathOf<N> & { readonly query?: Operations[N]['query'] | undefined };

/** What an operation is asked with. */
type Request<N extends Name> = Address<N> & BodyOf<N> & { readonly signal?: AbortSignal | undefined };

/** Told of each request that goes out. */
export type OnRequest = (request: SentRequest) => void;

/** The operations of `openapi.yaml`, by their names. */
export interface Client {
  /** @throws RequestError, or an AbortError when the signal says so */
  call<N extends Name>(name: N, request: Request<N>): Promise<Operations[N]['answer']>;
  /** The same for one who watches the requests. */
  watched(onRequest: OnRequest): Client;
}

/** Speaks to the server that this page came from. */
export function createClient(onRequest: OnRequest = () => {}): Client {
  return {
    watched: (watcher) => createClient(watcher),
    async call<N extends Name>(name: N, request: Request<N>): Promise<Operations[N]['answer']> {
      const { form, json, signal } = request;
      const { method } = OPERATIONS[name];
      const path = addressOf(name, request);
      onRequest({ method, path, form, json });
      const response = await send(path, {
        method,
        ...(form && { body: formData(form) }),
        ...(json !== undefined && { body: JSON.stringify(json), headers: { 'content-type': 'application/json' } }),
        ...(signal && { signal }),
      });
      return (await read(response)) as Operations[N]['answer'];
    },
  };
}

/** The address of an operation, from the root of the server on. */
export function addressOf<N extends Name>(name: N, { path, query }: Address<N>): string {
  const template: string = OPERATIONS[name].path;
  const values = (path ?? {}) as Readonly<Record<string, string>>;
  const filled = template.replaceAll(/\{(\w+)\}/g, (_, key: string) => encodeURIComponent(values[key] ?? ''));
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {})) if (value !== undefined) search.set(key, String(value));
  return search.size === 0 ? filled : `${filled}?${search}`;
}

async function send(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers: { accept: 'application/json', ...init.headers } });
  } catch (thrown) {
    throw unreachable(thrown);
  }
  if (!response.ok) throw await errorOf(response);
  return response;
}

async function read(response: Response): Promise<unknown> {
  if (response.status === 204) return undefined;
  if (!response.headers.get('Content-Type')?.startsWith('application/json')) return response;
  try {
    return await response.json();
  } catch (thrown) {
    throw unreachable(thrown);
  }
}

function formData(parts: readonly FormPart[]): FormData {
  const form = new FormData();
  for (const { name, value } of parts) form.append(name, value);
  return form;
}

/** Milliseconds to wait when a server names none. */
const DEFAULT_WAIT_MS = 1_000;
const MAX_ATTEMPTS = 8;

/**
 * Asks again while the server is busy (429) or not ready (503), as long after as it says.
 * @param onWait told how many seconds the next attempt is away
 */
export async function patiently<T>(
  ask: () => Promise<T>,
  signal: AbortSignal,
  onWait: (seconds: number) => void,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask();
    } catch (thrown) {
      const busy = thrown instanceof RequestError && (thrown.status === 429 || thrown.status === 503);
      if (!busy || attempt === MAX_ATTEMPTS) throw thrown;
      const waitMs = thrown.retryAfter === undefined ? DEFAULT_WAIT_MS : thrown.retryAfter * 1_000;
      onWait(waitMs / 1_000);
      await waited(waitMs, signal);
    }
  }
}

function waited(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
