import type { Problem } from './schema.ts';

/** A request that was not answered as asked: the problem details of the server, or ours where it gave none. */
export class RequestError extends Error {
  readonly title: string;
  readonly code: string;
  /** 0 where no answer came. */
  readonly status: number;
  /** Seconds to wait, where the server named them. */
  readonly retryAfter: number | undefined;
  readonly context: unknown;

  constructor(
    problem: Pick<Problem, 'title' | 'detail' | 'status'> & { readonly code: string; readonly context?: unknown },
    retryAfter?: number,
  ) {
    super(problem.detail);
    this.title = problem.title;
    this.code = problem.code;
    this.status = problem.status;
    this.retryAfter = retryAfter;
    this.context = problem.context;
  }
}

/** The error that an answer is. */
export async function errorOf(response: Response): Promise<RequestError> {
  const text = await response.text();
  const seconds = Number(response.headers.get('Retry-After') ?? Number.NaN);
  return new RequestError(problemIn(text, response.status), Number.isFinite(seconds) ? seconds : undefined);
}

/** @param cause what `fetch` threw */
export function unreachable(cause: unknown): unknown {
  if (cause instanceof DOMException && cause.name === 'AbortError') return cause;
  return new RequestError({
    title: 'The server does not answer',
    detail: 'The connection failed. See whether the server still runs (npm start), then try again.',
    status: 0,
    code: 'unreachable',
  });
}

/** A proxy between the page and the server may answer with a page of its own. */
function problemIn(
  text: string,
  status: number,
): Problem | { title: string; detail: string; status: number; code: string } {
  try {
    const value: unknown = JSON.parse(text);
    if (isProblem(value)) return value;
  } catch {
    // Not JSON: told below.
  }
  return {
    title: `The server answered ${status}`,
    detail:
      'The answer is none that this page knows. Reload the page; if that does not help, see the log of the server.',
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
    'title' in value
  );
}
