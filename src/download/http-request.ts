import { once } from 'node:events';
import http, { type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import tls from 'node:tls';
import { errnoOf } from '../common/durable-files.ts';
import { PassingError, shown } from './download-error.ts';
import { receiveBody } from './received-body.ts';
import { withoutBrackets } from './settings.ts';

/** One request, without its redirects. */
export interface HttpRequestOptions {
  readonly headers: OutgoingHttpHeaders;
  readonly proxy: URL | undefined;
  /** Milliseconds in which nothing happens on the connection, after which it is given up. */
  readonly stallMs: number;
  readonly signal: AbortSignal;
}

/** An answer; its body is read there, not from the response. */
export interface Answer {
  readonly response: IncomingMessage;
  readonly body: AsyncIterable<Buffer>;
}

/**
 * Sends a GET on a connection of its own, through a proxy if there is one: `https:` through a tunnel, so that the proxy sees
 * neither headers nor content. Node's own clients know proxies on some of the versions that the project supports only.
 * @throws PassingError when there is no answer; the signal's reason
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

/** A failure of the network as it is called here; any other error stays what it is. */
export function connectionError(thrown: unknown, url: URL): unknown {
  const code = errnoOf(thrown);
  if (thrown instanceof PassingError || code === undefined) return thrown;
  const unreachable = UNREACHABLE.has(code);
  const what = unreachable ? `${url.host} cannot be reached` : `the connection to ${url.host} broke`;
  return new PassingError(`${what} (${code})`, { unreachable, cause: thrown });
}

const UNREACHABLE = new Set(['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'ENETUNREACH', 'EHOSTUNREACH', 'ETIMEDOUT']);

async function answer(request: http.ClientRequest, stallMs: number): Promise<Answer> {
  request.setTimeout(stallMs, () => request.destroy(new PassingError(`nothing came for ${stallMs} ms`)));
  request.end();
  return await new Promise((resolve, reject) => {
    // What breaks later breaks the body, whose reader is told.
    request.on('error', reject);
    request.once('response', (response) => resolve({ response, body: receiveBody(response) }));
  });
}

async function openTunnel(url: URL, proxy: URL, stallMs: number, signal: AbortSignal): Promise<Socket> {
  const authority = `${url.hostname}:${url.port || 443}`;
  const headers = { host: authority, ...credentials(proxy) };
  const request = transport(proxy).request(
    addressOf(proxy, { method: 'CONNECT', path: authority, headers, agent: false, signal }),
  );
  request.setTimeout(stallMs, () => request.destroy(new PassingError(`the proxy said nothing for ${stallMs} ms`)));
  request.end();
  const [response, socket] = (await once(request, 'connect')) as [IncomingMessage, Socket];
  if (response.statusCode === 200) return socket;
  socket.destroy();
  throw new PassingError(`the proxy ${shown(proxy)} answered ${response.statusCode} when asked for ${authority}`);
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

/** A name of a server may not be an address (RFC 6066). */
function isAddress(hostname: string): boolean {
  return /^[\d.]+$|:/.test(hostname);
}
