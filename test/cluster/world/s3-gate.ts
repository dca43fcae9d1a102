import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '../../../src/common/random.ts';

/** What a trouble of S3 does to requests. `lost` does what was asked and breaks the connection before it is answered. */
export type Trouble = 'error' | 'slow' | 'full' | 'lost';

const SLOW_MS = 1_500;
/** How S3 APIs refuse what they have no room for: MinIO, Ceph, and those that have no better word. */
const FULL = [
  [507, 'XMinioStorageFull'],
  [403, 'QuotaExceeded'],
  [400, 'EntityTooLarge'],
] as const;

/** An HTTP proxy before an S3 API, which troubles all who use it. */
export class S3Gate {
  readonly #target: URL;
  readonly #random: Random;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #server = createServer((asked, answer) => {
    this.#pass(asked, answer).catch(() => asked.socket.destroy());
  });
  #trouble: { readonly kind: Trouble; readonly share: number } | undefined;
  /** How it says that it is full, this time. */
  #full: (typeof FULL)[number] = FULL[0];

  private constructor(target: string, random: Random) {
    this.#target = new URL(target);
    this.#random = random;
  }

  /** @param target address of the S3 API */
  static async listen(target: string, random: Random): Promise<S3Gate> {
    const gate = new S3Gate(target, random);
    gate.#server.listen(0, '127.0.0.1');
    await once(gate.#server, 'listening');
    return gate;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** @param share of the requests that are troubled, 0..1; those that are not may show what half an outage does */
  trouble(kind: Trouble, share: number): void {
    this.#trouble = { kind, share };
    this.#full = FULL[this.#random.below(FULL.length)] ?? FULL[0];
  }

  heal(): void {
    this.#trouble = undefined;
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    this.#agent.destroy();
    await once(this.#server, 'close');
  }

  async #pass(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    const trouble = this.#trouble;
    const isHit = trouble !== undefined && this.#random.next() < trouble.share;
    const kind = isHit ? trouble.kind : undefined;
    const writes = asked.method === 'PUT' || asked.method === 'POST';
    if (kind === 'error') return refuse(asked, answer, 500, 'InternalError');
    if (kind === 'full' && writes) {
      const [status, code] = this.#full;
      return refuse(asked, answer, status, code);
    }
    if (kind === 'slow') await delay(SLOW_MS);
    const { hostname, port } = this.#target;
    const headers = { ...asked.headers };
    // It was answered here.
    delete headers['expect'];
    const passed = request({ hostname, port, agent: this.#agent, method: asked.method, path: asked.url, headers });
    asked.on('error', () => passed.destroy());
    asked.pipe(passed);
    const [got] = (await once(passed, 'response')) as [IncomingMessage];
    if (kind === 'lost' && asked.method !== 'GET') {
      got.resume();
      await once(got, 'end');
      asked.socket.destroy();
      return;
    }
    answer.writeHead(got.statusCode ?? 502, got.headers);
    got.pipe(answer);
  }
}

function refuse(asked: IncomingMessage, answer: ServerResponse, status: number, code: string): void {
  asked.resume();
  answer.writeHead(status, { 'content-type': 'application/xml' });
  answer.end(`<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`);
}
