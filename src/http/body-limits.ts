import type { HttpLimits } from './dependencies.ts';

/** The route that takes whole data sets. */
export const UPLOAD_PATH = '/finetune';
/** What a form needs beside its file: boundaries, heads of parts, options. */
const FORM_OVERHEAD_BYTES = 1024 * 1024;

/** How much a body may hold and how long it may take. */
export interface BodyLimits {
  readonly maxBytes: number;
  readonly timeoutMs: number;
}

/** The limits of a request's body, by where it goes: data sets are larger than photos, and take longer. */
export function bodyLimits(url: string | undefined, limits: HttpLimits): BodyLimits {
  const path = url?.split('?', 1)[0]?.replace(/\/$/, '').toLowerCase();
  if (path === UPLOAD_PATH) {
    return { maxBytes: limits.maxArchiveBytes + FORM_OVERHEAD_BYTES, timeoutMs: limits.uploadTimeoutMs };
  }
  return { maxBytes: limits.maxBodyBytes, timeoutMs: limits.requestTimeoutMs };
}
