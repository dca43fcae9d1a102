import { once } from 'node:events';
import http, { type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import tls from 'node:tls';
import { errnoOf } from '../common/durable-files.ts';
import { shown, TransientError } from './download-error.ts';
import { withoutBrackets } from './settings.ts';

/** Options of one request. */
export interface HttpRequestOptions {
  readonly headers: OutgoingHttpHeaders;
  readonly proxy: URL | undefined;
  /** A connection without any traffic for so many milliseconds is given up. */
  readonly stallMs: number;
  readonly signal: AbortSignal;
}

/** A response. Its body must be read from `body`. */
export interface Answer {
  readonly response: IncomingMessage;
  readonly body: AsyncIterable<Buffer>;
}

/**
 * Sends a GET request on a new connection, through the proxy if there is one: for `https:` through a tunnel, so that
 * the proxy sees neither headers nor content. Not all versions of Node that the project supports have clients with
 * proxies.
 *
 * @throws TransientError when there is no answer; the signal's reason
 */
export async function get(url: URL, { headers, proxy, stallMs, signal }: HttpRequestOptions): Promise<Answer> {
  const client = url.protocol === 'https:' ? https : http;
  try {
    if (proxy === undefined) {
      return await answer(client.request(url, { agent: false, headers, signal }), stallMs);
    }
    if (url.protocol === 'http:') {
      const whole = { headers: { ...headers, host: url.host, ...credentials(proxy) }, path: url.href };
      return await answer(transport(proxy).request(addressOf(proxy, { agent: false, signal, ...whole })), stallMs);
    }
    const tunnel = await openTunnel(url, proxy, stallMs, signal);
    const servername = withoutBrackets(url.hostname);
    const createConnection = () => tls.connect({ socket: tunnel, ...(!isAddress(servername) && { servername }) });
    return await answer(https.request(url, { headers, signal, createConnection }), stallMs);
  } catch (thrown) {
    signal.throwIfAborted();
    throw connectionError(thrown, url);
  }
}

/** Converts an error of the network to a `TransientError`; returns any other error as it is. */
export function connectionError(thrown: unknown, url: URL): unknown {
  const code = errnoOf(thrown);
  if (thrown instanceof TransientError || code === undefined) return thrown;
  const unreachable = UNREACHABLE.has(code);
  const what = unreachable ? `${url.host} cannot be reached` : `the connection to ${url.host} broke`;
  return new TransientError(`${what} (${code})`, { unreachable, cause: thrown });
}

const UNREACHABLE = new Set(['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'ENETUNREACH', 'EHOSTUNREACH', 'ETIMEDOUT']);

async function answer(request: http.ClientRequest, stallMs: number): Promise<Answer> {
  request.setTimeout(stallMs, () => request.destroy(new TransientError(`no data arrived for ${stallMs} ms`)));
  request.end();
  return await new Promise((resolve, reject) => {
    // A later error ends the body.
    request.on('error', reject);
    request.once('response', (response) => resolve({ response, body: receiveBody(response) }));
  });
}

/** Bytes of a body that are buffered before it is read. */
const BUFFERED_BYTES = 1 << 20;

/**
 * The body of a response. A stream that breaks discards what it has not handed out; here the error comes after all
 * bytes received before it, so that a download can be resumed from there.
 */
function receiveBody(response: IncomingMessage): AsyncIterable<Buffer> {
  const body = new PassThrough({ highWaterMark: BUFFERED_BYTES });
  let failure: unknown;
  const end = () => {
    if (!body.writableEnded) body.end();
  };
  response.on('data', (chunk: Buffer) => {
    if (!body.write(chunk)) response.pause();
  });
  body.on('drain', () => response.resume());
  response.once('error', (thrown) => {
    failure = thrown;
    end();
  });
  response.once('end', end);
  response.once('close', end);
  return inOrder(body, () => failure);
}

async function* inOrder(body: PassThrough, failure: () => unknown): AsyncGenerator<Buffer> {
  yield* body;
  const thrown = failure();
  if (thrown !== undefined) throw thrown;
}

async function openTunnel(url: URL, proxy: URL, stallMs: number, signal: AbortSignal): Promise<Socket> {
  const authority = `${url.hostname}:${url.port || 443}`;
  const headers = { host: authority, ...credentials(proxy) };
  const request = transport(proxy).request(
    addressOf(proxy, { method: 'CONNECT', path: authority, headers, agent: false, signal }),
  );
  request.setTimeout(stallMs, () => request.destroy(new TransientError(`the proxy did not answer for ${stallMs} ms`)));
  request.end();
  const [response, socket] = (await once(request, 'connect')) as [IncomingMessage, Socket];
  if (response.statusCode === 200) return socket;
  socket.destroy();
  throw new TransientError(`the proxy ${shown(proxy)} answered ${response.statusCode} to CONNECT ${authority}`);
}

function transport(proxy: URL): typeof http | typeof https {
  return proxy.protocol === 'https:' ? https : http;
}

function addressOf(proxy: URL, options: https.RequestOptions): https.RequestOptions {
  const hostname = withoutBrackets(proxy.hostname);
  return { hostname, port: proxy.port || (proxy.protocol === 'https:' ? 443 : 80), ...options };
}

function credentials({ username, password }: URL): OutgoingHttpHeaders {
  if (username === '') return {};
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` };
}

/** A server name in TLS must not be an IP address (RFC 6066). */
function isAddress(hostname: string): boolean {
  return /^[\d.]+$|:/.test(hostname);
}
