import type { Problem } from './schema.ts';

/** A problem that the page itself reports, with a code of its own. */
type PageProblem = Pick<Problem, 'title' | 'detail' | 'status'> & {
  readonly code: 'not_yet' | 'unreachable' | 'unknown';
};

/** A request that failed: the problem details of the server, or those of the page when the server gave none. */
export class RequestError extends Error {
  readonly title: string;
  readonly code: string;
  /** 0 when there was no answer. */
  readonly status: number;
  /** Seconds to wait, if the server said so. */
  readonly retryAfter: number | undefined;
  readonly context: unknown;

  constructor(problem: Problem | PageProblem, retryAfter?: number) {
    super(problem.detail);
    this.title = problem.title;
    this.code = problem.code;
    this.status = problem.status;
    this.retryAfter = retryAfter;
    this.context = 'context' in problem ? problem.context : undefined;
  }
}

/** Converts the answer of a failed request. */
export async function errorOf(response: Response): Promise<RequestError> {
  const text = await response.text();
  return new RequestError(problemIn(text, response.status), secondsIn(response.headers.get('Retry-After')));
}

/** The answer of a server that pulls the model first (`AUTO_PULL`). */
export function notYet({ status, headers }: Response): RequestError {
  const problem = {
    title: 'The model is being pulled',
    detail: 'The server downloads the weights of the model first. Try again when it is there.',
    status,
    code: 'not_yet',
  } as const;
  return new RequestError(problem, secondsIn(headers.get('Retry-After')));
}

/** Converts what `fetch` threw; an AbortError stays as it is. */
export function unreachable(cause: unknown): unknown {
  if (cause instanceof DOMException && cause.name === 'AbortError') return cause;
  return new RequestError({
    title: 'The server cannot be reached',
    detail: 'The connection failed. Check that the server is running (npm start), then try again.',
    status: 0,
    code: 'unreachable',
  });
}

/** Seconds to wait according to a `Retry-After` header, which holds seconds or a date (RFC 9110, 10.2.3). */
function secondsIn(header: string | null): number | undefined {
  if (header === null) return undefined;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1_000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
}

/** A proxy between the page and the server may answer with a page of its own. */
function problemIn(text: string, status: number): Problem | PageProblem {
  try {
    const value: unknown = JSON.parse(text);
    if (isProblem(value)) return value;
  } catch {
    // Not JSON.
  }
  return {
    title: `The server answered ${status}`,
    detail: 'The page does not understand the answer. Reload the page; if that does not help, see the server log.',
    status,
    code: 'unknown',
  };
}

function isProblem(value: unknown): value is Problem {
  return (
    typeof value === 'object' &&
    value !== null &&
    'detail' in value &&
    typeof value.detail === 'string' &&
    'title' in value &&
    typeof value.title === 'string'
  );
}
