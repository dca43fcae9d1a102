import type { Outcome } from './send.ts';

/** What is wrong with an outcome, or undefined: whatever was sent, the answer is a result or a client error. */
export function faultOf(path: string, outcome: Outcome): string | undefined {
  if (outcome.kind === 'hang') return 'no answer in time';
  if (outcome.kind === 'reset') return `reset: ${outcome.reason}`;
  const { status, type, body } = outcome;
  const start = body.toString('utf8', 0, 300);
  if (status >= 500) return `status ${status}: ${start}`;
  if (status >= 400) return isProblem(type, body, status) ? undefined : `status ${status} without a problem: ${start}`;
  if (status !== 200) return `status ${status}`;
  if (path.includes('format=png')) return type === 'image/png' ? undefined : `a drawing of type ${type}`;
  if (type === 'application/octet-stream') return undefined;
  return body.length > 0 ? faultOfResult(path, body) : 'an empty answer';
}

function isProblem(type: string, body: Buffer, status: number): boolean {
  if (!type.startsWith('application/problem+json')) return false;
  const problem = JSON.parse(body.toString()) as Record<string, unknown>;
  return problem['status'] === status && typeof problem['code'] === 'string' && typeof problem['detail'] === 'string';
}

function faultOfResult(path: string, body: Buffer): string | undefined {
  const answer = JSON.parse(body.toString()) as Record<string, unknown>;
  if (path.startsWith('/classify')) {
    const results = answer['results'] as { predictions?: { score: unknown }[]; error?: unknown }[];
    const empty = results.some(({ predictions = [], error }) => error === undefined && predictions.length === 0);
    if (results.length === 0 || empty) return 'a result without predictions';
  }
  // JSON has no NaN: what is not finite becomes null.
  return hasNullNumber(answer) ? 'numbers that are not finite' : undefined;
}

function hasNullNumber(value: unknown): boolean {
  if (Array.isArray(value)) return value.some((each) => each === null || hasNullNumber(each));
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, each]) => (key === 'score' && each === null) || hasNullNumber(each));
}
