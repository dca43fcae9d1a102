import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import type { Request } from 'express';
import type { z } from 'zod';
import { AppError } from '../common/errors.ts';
import { describeIssues } from '../registry/manifest.ts';
import type { ByteBudget, Reservation } from '../serving/byte-budget.ts';
import { type BufferPool, LARGEST_POOLED_BYTES, type LentBuffer } from './buffer-pool.ts';
import { ClientGone } from './client-gone.ts';
import { announcedLength, bodyDecoder, undecodable } from './content-encoding.ts';
import { GrowingBuffer } from './growing-buffer.ts';
import { noteWork } from './middleware/request-state.ts';

/** Bytes that must arrive within a stall timeout. Slower clients hold memory or places in a queue for nothing. */
const MIN_PROGRESS_BYTES = 16 * 1024;

/** Limits of one request body. */
export interface BodyLimits {
  /** Bytes after decoding. */
  readonly maxBytes: number;
  /** Milliseconds in which the body must arrive. */
  readonly timeoutMs: number;
  /** Milliseconds in which `MIN_PROGRESS_BYTES` of the body, or the rest of it, must arrive. */
  readonly stallTimeoutMs: number;
  /** Memory that the body takes until its request is answered; none for bodies that are small or go to the disk. */
  readonly budget?: ByteBudget;
}

/** The error of a body whose media type is not taken. @param expected what to send instead, as it follows "send" */
export function unsupportedMediaType({ headers }: IncomingMessage, expected: string): AppError {
  const type = headers['content-type'] ?? '';
  const given = type === '' ? 'The body has no Content-Type' : `The body is "${type}"`;
  return new AppError('unsupported_media_type', `${given}; send ${expected}.`);
}

/** A body that is being watched. */
export interface WatchedBody {
  /** The request, or what decodes its `Content-Encoding`. */
  readonly body: Readable;
  /** Stops the watch; call it when the body has been read. */
  stop(): void;
}

/**
 * Admits a body before any of it is read, decodes its `Content-Encoding`, and watches it while another consumer reads
 * it. A client that waits for `100 Continue` gets it here, so that bodies of refused requests are not sent at all.
 * @param fail called once, with `ClientGone`, or with an AppError when the body exceeds a limit or cannot be decoded
 * @throws AppError `unsupported_media_type` for an unknown encoding, `body_too_large` when the announced length is over
 * the limit, `queue_full` when the budget is spent
 */
export function watchBody(request: Request, limits: BodyLimits, fail: (error: Error) => void): WatchedBody {
  const { maxBytes, timeoutMs, stallTimeoutMs } = limits;
  const decoder = bodyDecoder(request);
  const { reservation, grows } = admit(request, limits);
  let arrived = 0;
  let arrivedBefore = 0;
  let decoded = 0;
  const stop = (): void => {
    clearTimeout(deadline);
    clearInterval(stall);
    request.off('data', countArrived);
    request.off('close', onClose);
    body.off('data', countDecoded);
  };
  const failWith = (error: Error): void => {
    stop();
    reservation?.release();
    if (decoder !== undefined) {
      request.unpipe(decoder);
      decoder.destroy();
    }
    fail(error);
  };
  const countArrived = (chunk: Buffer): void => {
    arrived += chunk.length;
    if (request.res !== undefined) noteWork(request.res, { receivedBytes: arrived });
  };
  const countDecoded = (chunk: Buffer): void => {
    decoded += chunk.length;
    try {
      if (decoded > maxBytes) throw tooLarge(`more than ${maxBytes}`, maxBytes);
      if (grows) reservation?.add(chunk.length);
    } catch (thrown) {
      failWith(thrown as AppError);
    }
  };
  const onClose = (): void => {
    if (!request.readableEnded) failWith(new ClientGone());
  };
  const deadline = setTimeout(() => {
    failWith(tooSlow(`${arrived} bytes of the body arrived in ${timeoutMs} ms and it is not complete`, timeoutMs));
  }, timeoutMs);
  const stall = setInterval(() => {
    const progress = arrived - arrivedBefore;
    arrivedBefore = arrived;
    // When bytes wait to be read, the disk is slow, not the client.
    if (progress >= MIN_PROGRESS_BYTES || request.readableLength > 0) return;
    failWith(tooSlow(`${progress} bytes of the body arrived in the last ${stallTimeoutMs} ms`, stallTimeoutMs));
  }, stallTimeoutMs);
  request.on('data', countArrived);
  request.on('close', onClose);
  decoder?.once('error', (error) => failWith(undecodable(request, error)));
  const body = decoder === undefined ? request : request.pipe(decoder);
  body.on('data', countDecoded);
  return { body, stop };
}

/** @returns the memory of the body, and whether it grows as the body arrives, since its length is not known */
function admit(
  request: Request,
  { maxBytes, budget }: BodyLimits,
): { readonly reservation: Reservation | undefined; readonly grows: boolean } {
  const { 'content-length': sent, expect } = request.headers;
  // What is too large when it is compressed is no smaller afterwards.
  if (Number(sent ?? 0) > maxBytes) throw tooLarge(String(sent), maxBytes);
  const length = announcedLength(request);
  const reservation = budget?.reserve(length ?? 0);
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
 * @throws AppError as `watchBody`, and `request_timeout`; ClientGone
 */
export async function readBody(request: Request, limits: BodyLimits): Promise<Buffer> {
  const length = announcedLength(request);
  if (length !== undefined) return readInto(request, limits, () => Buffer.allocUnsafeSlow(length));
  const body = new GrowingBuffer(limits.maxBytes);
  try {
    await receiveBody(request, limits, (chunk) => body.append(chunk));
    return body.bytes();
  } catch (thrown) {
    body.discard();
    throw thrown;
  }
}

/** Like `readBody`, into memory of the pool where the length is known and small enough. The caller releases it. */
export async function readPooledBody(request: Request, pool: BufferPool, limits: BodyLimits): Promise<LentBuffer> {
  const length = announcedLength(request) ?? Number.POSITIVE_INFINITY;
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
    const { body, stop } = watchBody(request, limits, (error) => {
      body.off('data', take);
      body.off('end', done);
      reject(error);
    });
    const done = (): void => {
      stop();
      resolve();
    };
    body.on('data', take);
    body.once('end', done);
  });
}
