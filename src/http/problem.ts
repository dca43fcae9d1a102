import { AppError, ERRORS, type ErrorCode } from '../common/errors.ts';
import type { JsonObject } from '../common/json.ts';
import { asStorageError } from '../common/storage-error.ts';

/** Media type of RFC 9457. */
export const PROBLEM_TYPE = 'application/problem+json';

/** An error as a client reads it: the problem details of RFC 9457, with `code`, `request_id` and `context`. */
export interface Problem extends JsonObject {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly instance: string;
  readonly request_id: string;
}

/** The problem details of an error that happened in the request `requestId`. */
export function problemOf(error: AppError, requestId: string): Problem {
  const { status, title } = ERRORS[error.code];
  return {
    type: `urn:problem-type:menagerie:${error.code}`,
    title,
    status,
    detail: error.message,
    code: error.code,
    instance: `urn:menagerie:request:${requestId}`,
    request_id: requestId,
    ...(Object.keys(error.context).length > 0 && { context: JSON.parse(JSON.stringify(error.context)) }),
  };
}

/** Why a request ended without an answer: its client hung up. Nobody is left to be told. */
export class ClientGone extends Error {
  constructor() {
    super('the client hung up');
    this.name = 'ClientGone';
  }
}

/** What to tell the client of anything that was thrown; of failures that are the server's own, nothing but that. */
export function asAppError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  if (thrown instanceof URIError) {
    return new AppError('invalid_request', 'The path holds a broken percent escape; write "%" as "%25".');
  }
  const storage = asStorageError(thrown);
  if (storage !== undefined) return storage;
  return new AppError('internal', 'Something failed in the server; its log has the reason under this request_id.', {
    cause: thrown,
  });
}
