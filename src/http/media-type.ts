import type { IncomingMessage } from 'node:http';
import { AppError } from '../common/errors.ts';

/** @throws AppError `unsupported_media_type` when the body is compressed or of another type; `hint` says what would do */
export function requireMediaType({ headers }: IncomingMessage, type: RegExp, hint: string): void {
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') {
    throw new AppError('unsupported_media_type', `The body is encoded as ${encoding}; send it as it is.`);
  }
  const given = headers['content-type'] ?? '';
  if (type.test(given)) return;
  throw new AppError(
    'unsupported_media_type',
    `The body is ${given === '' ? 'of no named type' : `"${given}"`}; send ${hint}.`,
  );
}
