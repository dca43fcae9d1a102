import { SERVER_PATH } from './address.ts';
import { errorOf, notYet, unreachable } from './problem.ts';
import type { FormPart, SentRequest } from './request.ts';
import { OPERATIONS, type Operations } from './schema.ts';
import { fetchCounted, type OnSent } from './upload.ts';

type Name = keyof Operations;

/** A JSON body is passed as `json`, any other body as a form. */
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

/** The parameters in the path and the query of an operation. */
type Address<N extends Name> = PathOf<N> & { readonly query?: Operations[N]['query'] | undefined };

/** The parameters and the body of an operation. */
type Request<N extends Name> = Address<N> &
  BodyOf<N> & {
    readonly headers?: Readonly<Record<string, string>> | undefined;
    readonly signal?: AbortSignal | undefined;
    /** Called with the bytes of the body that have been sent, and with all of them. */
    readonly onSent?: OnSent | undefined;
  };

/** Called with each request that is sent. */
export type OnRequest = (request: SentRequest) => void;

/** Calls the operations of `openapi.yaml`, by their `operationId`. */
export interface Client {
  /** @throws RequestError; an AbortError when the signal aborts */
  call<N extends Name>(name: N, request: Request<N>): Promise<Operations[N]['answer']>;
  /** A client that also reports its requests. */
  watched(onRequest: OnRequest): Client;
}

/** The key that requests are sent with. */
interface Keys {
  readonly inUse: boolean;
  /** Asks the user for one. @returns whether there is one now */
  ask(): Promise<boolean>;
}

/** Creates a client of the server that this page came from. @param keys none for a client that never asks for a key */
export function createClient(keys?: Keys, onRequest: OnRequest = () => {}): Client {
  return {
    watched: (watcher) => createClient(keys, watcher),
    async call<N extends Name>(name: N, request: Request<N>): Promise<Operations[N]['answer']> {
      const { form, json, headers, signal, onSent } = request;
      const { method } = OPERATIONS[name];
      const path = addressOf(name, request);
      onRequest({ method, path, form, json, keyed: keys?.inUse });
      const response = await send(path, keys, {
        method,
        ...(form && { body: formData(form) }),
        ...(json !== undefined && { body: JSON.stringify(json) }),
        headers: { ...(json !== undefined && { 'content-type': 'application/json' }), ...headers },
        ...(signal && { signal }),
        onSent,
      });
      return (await read(response)) as Operations[N]['answer'];
    },
  };
}

/** The path and query of an operation. */
export function addressOf<N extends Name>(name: N, { path, query }: Address<N>): string {
  const template: string = OPERATIONS[name].path;
  const values = (path ?? {}) as Readonly<Record<string, string>>;
  const filled = template.replaceAll(/\{(\w+)\}/g, (_, key: string) => encodeURIComponent(values[key] ?? ''));
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {})) if (value !== undefined) search.set(key, String(value));
  return search.size === 0 ? filled : `${filled}?${search}`;
}

interface Sent extends Omit<RequestInit, 'headers'> {
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly onSent: OnSent | undefined;
}

async function send(path: string, keys: Keys | undefined, init: Sent): Promise<Response> {
  let response: Response;
  try {
    const sent = { ...init, headers: { accept: 'application/json', ...init.headers } };
    const url = SERVER_PATH + path;
    response = await (init.onSent ? fetchCounted(url, sent, init.onSent) : fetch(url, sent));
  } catch (thrown) {
    throw unreachable(thrown);
  }
  if (response.status === 401 && (await keys?.ask())) return send(path, keys, init);
  if (!response.ok) throw await errorOf(response);
  if (response.status === 202 && response.headers.has('Retry-After')) throw notYet(response);
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
