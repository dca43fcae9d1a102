import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Misbehaviour for one request. @returns true when it has answered the request */
export type Mischief = (request: IncomingMessage, response: ServerResponse) => boolean;

/** A host on loopback with one file. Serves ranges correctly, apart from the mischief it is given. */
export class MisbehavingHost {
  readonly requests: { method: string; url: string; headers: IncomingMessage['headers'] }[] = [];
  /** One for each of the next requests. */
  readonly mischief: Mischief[] = [];
  content: Buffer;
  /** Sent with every answer. */
  headers: Record<string, string> = {};
  readonly #server = createServer((request, response) => this.#handle(request, response));

  constructor(content: Buffer) {
    this.content = content;
  }

  async listen(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get etag(): string {
    return `"${createHash('md5').update(this.content).digest('hex')}"`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    this.requests.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers });
    if (this.mischief.shift()?.(request, response)) return;
    this.serve(request, response);
  }

  /** Answers correctly. */
  serve({ headers }: IncomingMessage, response: ServerResponse): void {
    const { content, etag } = this;
    response.setHeader('etag', etag);
    response.setHeader('accept-ranges', 'bytes');
    for (const [name, value] of Object.entries(this.headers)) response.setHeader(name, value);
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? [];
    const fresh = headers['if-range'] === undefined || headers['if-range'] === etag;
    if (from === undefined || !fresh) {
      response.writeHead(200, { 'content-length': content.length }).end(content);
      return;
    }
    const [start, end] = [Number(from), to === '' ? content.length - 1 : Math.min(Number(to), content.length - 1)];
    if (start >= content.length) {
      response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end('no');
      return;
    }
    response.writeHead(206, {
      'content-range': `bytes ${start}-${end}/${content.length}`,
      'content-length': end - start + 1,
    });
    response.end(content.subarray(start, end + 1));
  }

  /** Begins a correct answer and breaks the connection after some of the body. */
  cut(bytes: number): Mischief {
    return ({ headers }, response) => {
      const start = Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0);
      const rest = this.content.subarray(start);
      response.setHeader('etag', this.etag);
      const range = { 'content-range': `bytes ${start}-${this.content.length - 1}/${this.content.length}` };
      response.writeHead(start === 0 ? 200 : 206, { 'content-length': rest.length, ...(start > 0 && range) });
      response.write(rest.subarray(0, bytes), () => setImmediate(() => response.destroy()));
      return true;
    };
  }
}
