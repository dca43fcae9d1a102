/** Why a download did not succeed, in words for the one who asked for it. */
export class DownloadError extends Error {
  override readonly name = 'DownloadError';
}

/** No host answered at all: there may be no network. */
export class UnreachableError extends DownloadError {}

/** The host has no such file. */
export class NotThereError extends DownloadError {}

/** A failure that may pass: the connection broke, the host is busy. */
export class PassingError extends DownloadError {
  /** What the host asked to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** Whether no host answered at all. */
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

/** A URL as it may be shown: without what stands behind `?`, which signs it, and without a password. */
export function shown(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}
