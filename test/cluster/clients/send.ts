import { type IncomingHttpHeaders, request } from 'node:http';
import { z } from 'zod';
import { messageOf } from '../../../src/common/errors.ts';
import type { Answer } from '../history.ts';

/** Milliseconds after which a client believes in no answer any more. The servers' own limits are shorter. */
const PATIENCE_MS = 120_000;

/** A request. */
export interface Sent {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** Ends the request: the client no longer wants the answer. */
  readonly signal?: AbortSignal;
}

/** An answer, as it came. */
export interface Received {
  readonly answer: Answer;
  /** The body of a success; empty otherwise. */
  readonly text: string;
}

const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number(),
  detail: z.string(),
  code: z.string(),
});

/** Sends a request on a connection of its own, so that no kept connection fails for reasons of its own. */
export async function send(url: string, sent: Sent = {}): Promise<Received> {
  const silence = AbortSignal.timeout(PATIENCE_MS);
  const signal = sent.signal === undefined ? silence : AbortSignal.any([sent.signal, silence]);
  try {
    const { status, headers, text } = await exchange(url, { ...sent, signal });
    if (status < 300) return { answer: { status, code: null, flaw: null, gaveUp: false }, text };
    return { answer: problemIn(status, headers, text), text: '' };
  } catch (thrown) {
    const gaveUp = sent.signal?.aborted ?? false;
    return { answer: { status: 0, code: null, flaw: messageOf(thrown), gaveUp }, text: '' };
  }
}

function exchange(
  url: string,
  { method = 'GET', headers = {}, body, signal }: Sent,
): Promise<{ status: number; headers: IncomingHttpHeaders; text: string }> {
  return new Promise((resolve, reject) => {
    const sending = request(
      url,
      { method, headers: { ...headers, 'content-length': Buffer.byteLength(body ?? '') }, agent: false, signal },
      (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('error', reject);
        response.on('end', () => {
          if (!response.complete) reject(new Error('the answer broke off'));
          else {
            const text = Buffer.concat(pieces).toString();
            resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
          }
        });
      },
    );
    sending.on('error', reject);
    sending.end(body);
  });
}

/** What an answer that is no success says, and whether it says it as documented. */
export function problemIn(status: number, headers: IncomingHttpHeaders, text: string): Answer {
  const parsed = problemSchema.safeParse(jsonIn(text));
  const flaw = (): string | null => {
    if (headers['content-type'] !== 'application/problem+json' || !parsed.success) return 'it is no problem details';
    if (parsed.data.status !== status) return `its status is ${parsed.data.status} inside`;
    const mustSayWhen = status === 429 || status === 503;
    return mustSayWhen && !/^\d+$/.test(headers['retry-after'] ?? '') ? 'it has no Retry-After' : null;
  };
  return { status, code: parsed.data?.code ?? null, flaw: flaw(), gaveUp: false };
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
