import { AppError } from './errors.ts';
import { asStorageError } from './storage-error.ts';

/** Converts anything that was thrown to an error for the client. Internal failures show no detail. */
export function asAppError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  const storage = asStorageError(thrown);
  if (storage !== undefined) return storage;
  return new AppError('internal', 'The server failed; its log has the reason under this request_id.', {
    cause: thrown,
  });
}
