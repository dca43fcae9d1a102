import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';

/** Bytes that are kept of a body that nobody reads yet. */
const KEPT_BYTES = 1 << 20;

/**
 * The body of an answer, taken in from the moment that its head is there. A stream that breaks throws away what it has not
 * handed out: here the error comes behind every byte that came before it, so that a download can go on from there.
 */
export function receiveBody(response: IncomingMessage): AsyncIterable<Buffer> {
  const body = new PassThrough({ highWaterMark: KEPT_BYTES });
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
