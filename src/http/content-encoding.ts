import type { IncomingMessage } from 'node:http';
import type { Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import type { Request } from 'express';
import { AppError } from '../common/errors.ts';

/** Decoders of bodies, by the name in `Content-Encoding` (RFC 9110, 8.4.1; `x-gzip` is the old name of `gzip`). */
const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};
/** The encodings that are taken, as the value of `Accept-Encoding` in the answer to others (RFC 7694). */
const TAKEN = 'gzip, deflate, br';

/**
 * A stream that decodes the body of a request; undefined when the body is not encoded. It holds a few tens of
 * kilobytes, whatever the body expands to: who reads it counts what comes out.
 * @throws AppError `unsupported_media_type` for other encodings, and for several of them
 */
export function bodyDecoder(request: Request): Transform | undefined {
  const encoding = encodingOf(request);
  if (encoding === undefined) return undefined;
  const decoder = Object.hasOwn(DECODERS, encoding) ? DECODERS[encoding] : undefined;
  if (decoder !== undefined) return decoder();
  request.res?.setHeader('Accept-Encoding', TAKEN);
  throw new AppError(
    'unsupported_media_type',
    `The body is encoded as "${encoding.slice(0, 100)}"; send it with one of ${TAKEN}, or without Content-Encoding.`,
  );
}

/** Bytes of the body by its header; undefined when they are not known before it has arrived and been decoded. */
export function announcedLength(request: IncomingMessage): number | undefined {
  const length = request.headers['content-length'];
  return length === undefined || encodingOf(request) !== undefined ? undefined : Number(length);
}

/** The error of a body that is not what its `Content-Encoding` says, or is cut short. */
export function undecodable(request: IncomingMessage, { message }: Error): AppError {
  return new AppError('invalid_request', `The body is not valid ${encodingOf(request)} (${message}).`);
}

function encodingOf({ headers }: IncomingMessage): string | undefined {
  const encoding = headers['content-encoding']?.trim().toLowerCase() ?? '';
  return encoding === '' || encoding === 'identity' ? undefined : encoding;
}
