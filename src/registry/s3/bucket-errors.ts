import { AppError, messageOf } from '../../common/errors.ts';
import { asStorageError } from '../../common/storage-error.ts';

/** Seconds; most troubles of a network or an object store end within some. */
const RETRY_AFTER_S = 5;
/** Somebody has to make room first. */
const FULL_RETRY_AFTER_S = 60;
/** Names that S3 APIs give to a bucket or an account that can take no more. */
const FULL = /quota|storagefull|insufficientstorage|nospace|toomanyobjects/i;
const HINTS: Readonly<Record<string, string>> = {
  NoSuchBucket: 'the bucket does not exist',
  AccessDenied: 'the credentials do not allow it',
  InvalidAccessKeyId: 'the access key is not known',
  SignatureDoesNotMatch: 'the secret key is wrong',
  CredentialsProviderError: 'there are no credentials',
};

/** Whether an object that was asked for does not exist. A missing bucket is another matter. */
export function isMissing(thrown: unknown): boolean {
  return statusOf(thrown) === 404 && nameOf(thrown) !== 'NoSuchBucket';
}

/**
 * Whether a conditional write was refused: its condition does not hold (412), another write came at the same moment
 * (409), or the object that should have an ETag is gone (404).
 */
export function isRefusedCondition(thrown: unknown): boolean {
  return [409, 412].includes(statusOf(thrown) ?? 0) || isMissing(thrown);
}

/** Whether an error of `S3Bucket` means that its S3 API does not know a header or a kind of request. */
export function isNotImplemented(thrown: unknown): boolean {
  return thrown instanceof Error && statusOf(thrown.cause) === 501;
}

/**
 * The error to report when S3 fails. Clients see its message, which has neither an address nor a key; its `cause` is
 * for the log.
 */
export function asBucketError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  const ofDisk = asStorageError(thrown);
  if (ofDisk !== undefined) return ofDisk;
  const name = nameOf(thrown);
  const status = statusOf(thrown);
  if (status === 507 || FULL.test(name)) {
    const message = 'The bucket of the server is full. Free some space, then try again.';
    return new AppError('storage_full', message, { retryAfter: FULL_RETRY_AFTER_S, cause: thrown });
  }
  const reason = HINTS[name] ?? (status === undefined ? name : `${status} ${name}`);
  return new AppError('storage_unavailable', `The bucket of the server cannot be used (${reason}). Try again later.`, {
    retryAfter: RETRY_AFTER_S,
    cause: thrown,
  });
}

/** The HTTP status of S3's answer; undefined when there was none. */
function statusOf(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error) || !('$metadata' in thrown)) return undefined;
  return (thrown.$metadata as { httpStatusCode?: number } | undefined)?.httpStatusCode;
}

/** `NoSuchBucket`, or the code of an error of the network such as `ECONNREFUSED`. */
function nameOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return messageOf(thrown);
  return 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : thrown.name;
}
