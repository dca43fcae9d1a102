import type { IncomingMessage } from 'node:http';
import { AppError } from '../common/errors.ts';
import { type BufferPool, LARGEST_POOLED_BYTES, type LentBuffer } from './buffer-pool.ts';
import { ClientGone } from './problem.ts';

/** @throws AppError `body_too_large` when the announced length is over the limit, before a byte is read */
export function checkLength(request: IncomingMessage, maxBytes: number): void {
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > maxBytes) throw tooLarge(maxBytes, announced);
}

/** The error of a body over the limit. */
function tooLarge(maxBytes: number, announced?: number): AppError {
  const size = announced === undefined ? `more than ${maxBytes}` : String(announced);
  return new AppError('body_too_large', `The body has ${size} bytes; at most ${maxBytes} are taken.`, {
    context: { max_bytes: maxBytes },
  });
}

/**
 * Watches a body arrive, whoever reads it.
 * @param fail told once, when more than `maxBytes` have come, `timeoutMs` have passed, or the client has hung up
 * @returns stops the watch; to be called when the body has been read
 */
export function watchBody(
  request: IncomingMessage,
  { maxBytes, timeoutMs }: { maxBytes: number; timeoutMs: number },
  fail: (error: Error) => void,
): () => void {
  let received = 0;
  const stop = (): void => {
    clearTimeout(timer);
    request.off('data', count);
    request.off('close', hungUp);
  };
  const failWith = (error: Error): void => {
    stop();
    fail(error);
  };
  const count = (chunk: Buffer): void => {
    received += chunk.length;
    if (received > maxBytes) failWith(tooLarge(maxBytes));
  };
  const hungUp = (): void => {
    if (!request.readableEnded) failWith(new ClientGone());
  };
  const timer = setTimeout(() => {
    failWith(
      new AppError(
        'request_timeout',
        `${received} bytes of the body came in ${timeoutMs} ms and it is not complete; send it faster or smaller.`,
        { context: { timeout_ms: timeoutMs } },
      ),
    );
  }, timeoutMs);
  request.on('data', count);
  request.on('close', hungUp);
  return stop;
}

/**
 * Reads a body into memory.
 * @throws AppError `body_too_large` or `request_timeout`; ClientGone
 */
export async function readBody(request: IncomingMessage, maxBytes: number, timeoutMs: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await receiveBody(request, maxBytes, timeoutMs, (chunk) => chunks.push(chunk));
  const [first] = chunks;
  return chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks);
}

/**
 * As `readBody`, into memory of the pool where the body's length is announced and not too large for it; to be released
 * when the bytes are needed no more.
 */
export async function readPooledBody(
  request: IncomingMessage,
  pool: BufferPool,
  maxBytes: number,
  timeoutMs: number,
): Promise<LentBuffer> {
  const length = Number(request.headers['content-length'] ?? Number.POSITIVE_INFINITY);
  if (length > LARGEST_POOLED_BYTES) {
    return { bytes: await readBody(request, maxBytes, timeoutMs), release: () => undefined };
  }
  const lent = pool.take(length);
  let received = 0;
  try {
    await receiveBody(request, maxBytes, timeoutMs, (chunk) => {
      received += chunk.copy(lent.bytes, received);
    });
    return lent;
  } catch (thrown) {
    lent.release();
    throw thrown;
  }
}

function receiveBody(
  request: IncomingMessage,
  maxBytes: number,
  timeoutMs: number,
  take: (chunk: Buffer) => void,
): Promise<void> {
  checkLength(request, maxBytes);
  return new Promise((resolve, reject) => {
    const done = (): void => {
      stop();
      resolve();
    };
    const stop = watchBody(request, { maxBytes, timeoutMs }, (error) => {
      request.off('data', take);
      request.off('end', done);
      reject(error);
    });
    request.on('data', take);
    request.once('end', done);
  });
}
