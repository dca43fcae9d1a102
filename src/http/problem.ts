import { type AppError, ERRORS, type ErrorCode } from '../common/errors.ts';
import type { JsonObject } from '../common/json.ts';

/** Media type of RFC 9457. */
export const PROBLEM_TYPE = 'application/problem+json';

/** Problem details of RFC 9457, with `code`, `request_id` and `context` as further members. */
export interface Problem extends JsonObject {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly instance: string;
  readonly request_id: string;
}

/** Problem details of an error that occurred in the request `requestId`. */
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
