import { AppError, messageOf } from '../common/errors.ts';
import { FolderLockedError } from '../common/folder-lock.ts';
import { asStorageError } from '../common/storage-error.ts';
import { ConversionError } from '../convert/conversion-error.ts';
import { DownloadError } from '../download/download-error.ts';

/**
 * Runs a call of the library, whose errors all have a stable code.
 * @throws AppError; the signal's reason once it is aborted
 */
export async function withCodes<T>(signal: AbortSignal | undefined, call: () => T | Promise<T>): Promise<T> {
  try {
    signal?.throwIfAborted();
    return await call();
  } catch (thrown) {
    if (signal?.aborted) throw signal.reason;
    throw asAppError(thrown);
  }
}

/** Any thrown value as an error with a code. */
function asAppError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  const storage = asStorageError(thrown);
  if (storage !== undefined) return storage;
  if (thrown instanceof FolderLockedError) {
    return new AppError('storage_unavailable', thrown.message, { cause: thrown });
  }
  const isModel = thrown instanceof DownloadError || thrown instanceof ConversionError;
  return new AppError(isModel ? 'model_unavailable' : 'internal', messageOf(thrown), { cause: thrown });
}
