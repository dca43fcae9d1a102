import type { IncomingMessage } from 'node:http';
import type { Request } from 'express';
import type { z } from 'zod';
import { AppError } from '../common/errors.ts';
import { describeIssues } from '../registry/manifest.ts';
import { type BufferPool, LARGEST_POOLED_BYTES, type LentBuffer } from './buffer-pool.ts';
import type { ByteBudget, Reservation } from './byte-budget.ts';
import { ClientGone } from './client-gone.ts';
import { GrowingBuffer } from './growing-buffer.ts';

/** Bytes that must arrive within a stall timeout. Slower clients hold memory or places in a queue for nothing. */
const MIN_PROGRESS_BYTES = 16 * 1024;

/** Limits of one request body. */
export interface BodyLimits {
  readonly maxBytes: number;
  /** Milliseconds in which the body must arrive. */
  readonly timeoutMs: number;
  /** Milliseconds in which `MIN_PROGRESS_BYTES` of the body, or the rest of it, must arrive. */
  readonly stallTimeoutMs: number;
  /** Memory that the body takes until its request is answered; none for bodies that are small or go to the disk. */
  readonly budget?: ByteBudget;
}

/** @throws AppError `unsupported_media_type` when the body is compressed */
export function refuseEncoded({ headers }: IncomingMessage): void {
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding === 'identity') return;
  throw new AppError('unsupported_media_type', `The body is encoded as ${encoding}; send it without Content-Encoding.`);
}

/** The error of a body whose media type is not taken. @param expected what to send instead, as it follows "send" */
export function unsupportedMediaType({ headers }: IncomingMessage, expected: string): AppError {
  const type = headers['content-type'] ?? '';
  const given = type === '' ? 'The body has no Content-Type' : `The body is "${type}"`;
  return new AppError('unsupported_media_type', `${given}; send ${expected}.`);
}

/**
 * Admits a body before any of it is read, and watches it while another consumer reads it. A client that waits for
 * `100 Continue` gets it here, so that bodies of refused requests are not sent at all.
 * @param fail called once, with `ClientGone`, or with an AppError when the body exceeds a limit
 * @returns stops the watch; call it when the body has been read
 * @throws AppError `body_too_large` when the announced length is over the limit, `queue_full` when the budget is spent
 */
export function watchBody(request: Request, limits: BodyLimits, fail: (error: Error) => void): () => void {
  const { maxBytes, timeoutMs, stallTimeoutMs } = limits;
  const { reservation, grows } = admit(request, limits);
  let received = 0;
  let receivedBefore = 0;
  const stop = (): void => {
    clearTimeout(deadline);
    clearInterval(stall);
    request.off('data', count);
    request.off('close', onClose);
  };
  const failWith = (error: Error): void => {
    stop();
    reservation?.release();
    fail(error);
  };
  const count = (chunk: Buffer): void => {
    received += chunk.length;
    try {
      if (received > maxBytes) throw tooLarge(`more than ${maxBytes}`, maxBytes);
      if (grows) reservation?.add(chunk.length);
    } catch (thrown) {
      failWith(thrown as AppError);
    }
  };
  const onClose = (): void => {
    if (!request.readableEnded) failWith(new ClientGone());
  };
  const deadline = setTimeout(() => {
    failWith(tooSlow(`${received} bytes of the body arrived in ${timeoutMs} ms and it is not complete`, timeoutMs));
  }, timeoutMs);
  const stall = setInterval(() => {
    const progress = received - receivedBefore;
    receivedBefore = received;
    // When bytes wait to be read, the disk is slow, not the client.
    if (progress >= MIN_PROGRESS_BYTES || request.readableLength > 0) return;
    failWith(tooSlow(`${progress} bytes of the body arrived in the last ${stallTimeoutMs} ms`, stallTimeoutMs));
  }, stallTimeoutMs);
  request.on('data', count);
  request.on('close', onClose);
  return stop;
}

/** @returns the memory of the body, and whether it grows as the body arrives, since its length is not announced */
function admit(
  request: Request,
  { maxBytes, budget }: BodyLimits,
): { readonly reservation: Reservation | undefined; readonly grows: boolean } {
  const { 'content-length': length, expect } = request.headers;
  if (Number(length ?? 0) > maxBytes) throw tooLarge(String(length), maxBytes);
  const reservation = budget?.reserve(Number(length ?? 0));
  const { res: response } = request;
  if (reservation !== undefined) response?.once('close', reservation.release);
  if (expect !== undefined) response?.writeContinue();
  return { reservation, grows: length === undefined };
}

function tooLarge(size: string, maxBytes: number): AppError {
  return new AppError('body_too_large', `The body has ${size} bytes; the limit is ${maxBytes}.`, {
    context: { max_bytes: maxBytes },
  });
}

function tooSlow(what: string, timeoutMs: number): AppError {
  return new AppError('request_timeout', `${what}; send it faster or smaller.`, { context: { timeout_ms: timeoutMs } });
}

/**
 * Reads a body into memory of its own.
 * @throws AppError `body_too_large`, `request_timeout`, `queue_full`; ClientGone
 */
export async function readBody(request: Request, limits: BodyLimits): Promise<Buffer> {
  const length = request.headers['content-length'];
  if (length !== undefined) return readInto(request, limits, () => Buffer.allocUnsafeSlow(Number(length)));
  const body = new GrowingBuffer(limits.maxBytes);
  try {
    await receiveBody(request, limits, (chunk) => body.append(chunk));
    return body.bytes();
  } catch (thrown) {
    body.discard();
    throw thrown;
  }
}

/** Like `readBody`, into memory of the pool where the length is announced and small enough. The caller releases it. */
export async function readPooledBody(request: Request, pool: BufferPool, limits: BodyLimits): Promise<LentBuffer> {
  const length = Number(request.headers['content-length'] ?? Number.POSITIVE_INFINITY);
  if (length > LARGEST_POOLED_BYTES) return { bytes: await readBody(request, limits), release: () => undefined };
  const lent = pool.take(length);
  try {
    await readInto(request, limits, () => lent.bytes);
    return lent;
  } catch (thrown) {
    lent.release();
    throw thrown;
  }
}

/** Reads a body of announced length. @param memory called once the body is admitted */
async function readInto(request: Request, limits: BodyLimits, memory: () => Buffer): Promise<Buffer> {
  let bytes: Buffer | undefined;
  let received = 0;
  await receiveBody(request, limits, (chunk) => {
    bytes ??= memory();
    received += chunk.copy(bytes, received);
  });
  return bytes ?? memory();
}

/**
 * Reads a small JSON body; an empty one counts as `{}`.
 * @throws AppError `invalid_request` that says what is wrong; as `readBody`
 */
export async function readJson<T>(
  request: Request,
  limits: BodyLimits,
  { schema, example }: { readonly schema: z.ZodType<T>; readonly example: string },
): Promise<T> {
  refuseEncoded(request);
  const text = (await readBody(request, limits)).toString();
  const parsed = schema.safeParse(text === '' ? {} : parseJson(text));
  if (parsed.success) return parsed.data;
  throw new AppError('invalid_request', `The body is not valid (${describeIssues(parsed.error)}); send ${example}.`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function receiveBody(request: Request, limits: BodyLimits, take: (chunk: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      stop();
      resolve();
    };
    const stop = watchBody(request, limits, (error) => {
      request.off('data', take);
      request.off('end', done);
      reject(error);
    });
    request.on('data', take);
    request.once('end', done);
  });
}
