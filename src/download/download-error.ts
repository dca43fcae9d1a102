/** Why a download failed, in words for the user who started it. */
export class DownloadError extends Error {
  override readonly name = 'DownloadError';
}

/** No host answered: the machine may have no network. */
export class UnreachableError extends DownloadError {}

/** The host has no such file. */
export class NotFoundError extends DownloadError {}

/** A failure after which another attempt may succeed: the connection broke, or the host is busy. */
export class TransientError extends DownloadError {
  /** How long the host asks to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** Whether no host answered. */
  readonly unreachable: boolean;

  constructor(
    message: string,
    facts: { retryAfterMs?: number | undefined; unreachable?: boolean; cause?: unknown } = {},
  ) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.retryAfterMs = facts.retryAfterMs;
    this.unreachable = facts.unreachable ?? false;
  }
}

/** A URL for messages: without its query, which may hold a signature, and without a password. */
export function shown(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}
