import type { IncomingMessage } from 'node:http';
import { DownloadError, NotThereError, PassingError, shown } from './download-error.ts';
import { get } from './http-request.ts';
import { type ProxySettings, parseHttpUrl, proxyFor } from './settings.ts';

const MAX_REDIRECTS = 10;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Answers that may be others later: RFC 9110, RFC 6585. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Who asks, and how. */
export interface FetchOptions {
  readonly proxies: ProxySettings;
  /** Sent to its origin and to nobody else, wherever a redirect leads. */
  readonly token: { readonly origin: string; readonly value: string } | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly stallMs: number;
  readonly signal: AbortSignal;
}

/** What a host says of a file beside sending it. */
export interface PublishedFacts {
  readonly sha256?: string | undefined;
  readonly size?: number | undefined;
}

/** An answer with a body, and what was said on the way to it. */
export interface Fetched {
  readonly response: IncomingMessage;
  readonly body: AsyncIterable<Buffer>;
  /** Where the body comes from. */
  readonly url: URL;
  readonly published: PublishedFacts;
}

/**
 * Gets a URL, following redirects.
 * @throws PassingError when another try may succeed; NotThereError; DownloadError; the signal's reason
 */
export async function fetchFollowing(start: URL, options: FetchOptions): Promise<Fetched> {
  const { token, stallMs, signal } = options;
  let url = start;
  let published: PublishedFacts = {};
  for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
    const headers = {
      'user-agent': 'menagerie',
      // A compressed body would have another length, and its ranges other bytes.
      'accept-encoding': 'identity',
      ...options.headers,
      ...(token?.origin === url.origin && { authorization: `Bearer ${token.value}` }),
    };
    const { response, body } = await get(url, { headers, proxy: proxyFor(url, options.proxies), stallMs, signal });
    if (url.origin === start.origin) published = { ...published, ...factsOf(response) };
    const { statusCode = 0 } = response;
    if (!REDIRECTS.has(statusCode)) {
      // 416 is for the caller, who knows what it asked for.
      if (statusCode === 200 || statusCode === 206 || statusCode === 416) return { response, body, url, published };
      response.destroy();
      throw refusal(statusCode, response, url, token?.origin === url.origin);
    }
    response.destroy();
    url = nextHop(response, url);
  }
  throw new DownloadError(`${shown(start)} redirects more than ${MAX_REDIRECTS} times`);
}

/** The hub's headers for files in large-file storage; the ETag of others is not their digest. */
function factsOf({ headers }: IncomingMessage): PublishedFacts {
  const digest = [headers['x-linked-etag'], headers.etag].map((tag) => /^"?([0-9a-f]{64})"?$/.exec(String(tag))?.[1]);
  const sha256 = digest.find((value) => value !== undefined);
  const size = Number(headers['x-linked-size']);
  return { ...(sha256 !== undefined && { sha256 }), ...(size > 0 && { size }) };
}

function nextHop({ headers: { location = '' } }: IncomingMessage, from: URL): URL {
  const next = parseHttpUrl(location, from);
  if (next === undefined) {
    throw new DownloadError(`${shown(from)} redirects to something that is no URL`);
  }
  if (from.protocol === 'https:' && next.protocol !== 'https:') {
    throw new DownloadError(`${shown(from)} redirects to ${shown(next)}, which is not encrypted`);
  }
  return next;
}

function refusal(status: number, { headers }: IncomingMessage, url: URL, authorized: boolean): DownloadError {
  const what = `${shown(url)} answered ${status}`;
  if (PASSING.has(status)) return new PassingError(what, { retryAfterMs: retryAfter(headers['retry-after']) });
  if (status === 404 || status === 410) return new NotThereError(`${what}: there is no such file`);
  if (status === 401 || status === 403) {
    return new DownloadError(
      `${what}: ${authorized ? 'HF_TOKEN does not open it' : 'it may want a token, as HF_TOKEN'}`,
    );
  }
  return new DownloadError(what);
}

/** Milliseconds until the time in a `Retry-After`, which is seconds or a date. */
function retryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const ms = /^\d+$/.test(value) ? 1000 * Number(value) : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
