import { Agent, request } from 'node:http';
import type { FuzzInput } from './fuzz-input.ts';

/** What came back for an input. */
export type Outcome =
  | { readonly kind: 'answer'; readonly status: number; readonly type: string; readonly body: Buffer }
  | { readonly kind: 'reset'; readonly reason: string }
  | { readonly kind: 'hang' };

/** Sends inputs over kept connections. */
export class FuzzClient {
  readonly #url: string;
  readonly #agent: Agent;
  readonly #hangMs: number;

  /** @param hangMs after which a request without an answer is given up */
  constructor(url: string, connections: number, hangMs: number) {
    this.#url = url;
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
    this.#hangMs = hangMs;
  }

  send(input: FuzzInput): Promise<Outcome> {
    return new Promise((resolve) => {
      const sent = request(this.#url + input.path, {
        method: 'POST',
        agent: this.#agent,
        headers: { ...input.headers, 'content-length': input.body.length },
      });
      const timer = setTimeout(() => {
        resolve({ kind: 'hang' });
        sent.destroy();
      }, this.#hangMs);
      const end = (outcome: Outcome): void => {
        clearTimeout(timer);
        resolve(outcome);
      };
      sent.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', (error) =>
          end({ kind: 'reset', reason: `in the middle of the answer: ${error.message}` }),
        );
        response.on('end', () => {
          const { statusCode: status = 0, headers } = response;
          end({ kind: 'answer', status, type: headers['content-type'] ?? '', body: Buffer.concat(chunks) });
        });
      });
      sent.on('error', (error: NodeJS.ErrnoException) => {
        // A server may close a connection that idles at the moment when a request is sent on it.
        if (sent.reusedSocket && error.code === 'ECONNRESET') void this.send(input).then(end);
        else end({ kind: 'reset', reason: error.message });
      });
      sent.end(input.body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
