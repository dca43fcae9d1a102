import type { IncomingMessage } from 'node:http';
import { DownloadError, NotFoundError, shown, TransientError } from './download-error.ts';
import { get } from './http-request.ts';
import { type ProxySettings, parseHttpUrl, proxyFor } from './settings.ts';

const MAX_REDIRECTS = 10;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Statuses after which another attempt may succeed (RFC 9110, RFC 6585). */
const TRANSIENT = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Options of a request that follows redirects. */
export interface FetchOptions {
  readonly proxies: ProxySettings;
  /** Sent to this origin only, wherever redirects lead. */
  readonly token: { readonly origin: string; readonly value: string } | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly stallMs: number;
  readonly signal: AbortSignal;
}

/** What the headers of a host say about a file. */
export interface PublishedFacts {
  readonly sha256?: string | undefined;
  readonly size?: number | undefined;
}

/** The last response of a chain of redirects. */
export interface Fetched {
  readonly response: IncomingMessage;
  readonly body: AsyncIterable<Buffer>;
  /** The URL of this response. */
  readonly url: URL;
  /** What the first host said, on any of its responses. */
  readonly published: PublishedFacts;
}

/**
 * Requests a URL and follows redirects.
 *
 * @throws TransientError when another attempt may succeed; NotFoundError; DownloadError; the signal's reason
 */
export async function fetchFollowing(start: URL, options: FetchOptions): Promise<Fetched> {
  const { token, stallMs, signal } = options;
  let url = start;
  let published: PublishedFacts = {};
  for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
    const headers = {
      'user-agent': 'menagerie',
      // The size and the ranges of a compressed body are not those of the file.
      'accept-encoding': 'identity',
      ...options.headers,
      ...(token?.origin === url.origin && { authorization: `Bearer ${token.value}` }),
    };
    const { response, body } = await get(url, { headers, proxy: proxyFor(url, options.proxies), stallMs, signal });
    if (url.origin === start.origin) published = { ...published, ...factsOf(response) };
    const { statusCode = 0 } = response;
    if (!REDIRECTS.has(statusCode)) {
      // The caller knows what 416 means for its range.
      if (statusCode === 200 || statusCode === 206 || statusCode === 416) return { response, body, url, published };
      response.destroy();
      throw refusal(statusCode, response, url, token?.origin === url.origin);
    }
    response.destroy();
    url = nextHop(response, url);
  }
  throw new DownloadError(`${shown(start)} redirects more than ${MAX_REDIRECTS} times`);
}

/** Reads the headers of the hub for files in large-file storage. The ETag of other files is not a SHA-256. */
function factsOf({ headers }: IncomingMessage): PublishedFacts {
  const digest = [headers['x-linked-etag'], headers.etag].map((tag) => /^"?([0-9a-f]{64})"?$/.exec(String(tag))?.[1]);
  const sha256 = digest.find((value) => value !== undefined);
  const size = Number(headers['x-linked-size']);
  return { ...(sha256 !== undefined && { sha256 }), ...(size > 0 && { size }) };
}

function nextHop({ headers: { location = '' } }: IncomingMessage, from: URL): URL {
  const next = parseHttpUrl(location, from);
  if (next === undefined) {
    throw new DownloadError(`${shown(from)} redirects to an invalid URL`);
  }
  if (from.protocol === 'https:' && next.protocol !== 'https:') {
    throw new DownloadError(`${shown(from)} redirects to ${shown(next)}, which is not encrypted`);
  }
  return next;
}

function refusal(status: number, { headers }: IncomingMessage, url: URL, authorized: boolean): DownloadError {
  const what = `${shown(url)} answered ${status}`;
  if (TRANSIENT.has(status)) return new TransientError(what, { retryAfterMs: retryAfter(headers['retry-after']) });
  if (status === 404 || status === 410) return new NotFoundError(`${what}: there is no such file`);
  if (status === 401 || status === 403) {
    return new DownloadError(
      `${what}: ${authorized ? 'HF_TOKEN does not give access' : 'it may require a token in HF_TOKEN'}`,
    );
  }
  return new DownloadError(what);
}

/** Milliseconds to wait according to a `Retry-After` header, which holds seconds or a date. */
function retryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const ms = /^\d+$/.test(value) ? 1000 * Number(value) : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
