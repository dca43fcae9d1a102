import { errnoOf } from './durable-files.ts';
import { AppError, messageOf } from './errors.ts';

const FOLDER_MISSING = 'A folder of the server is missing. Put its data folder back, then restart the server.';

/** Errors of the file system that concern the whole disk (POSIX `errno.h`), and what to do about them. */
const DISK_ERRORS = {
  ENOSPC: ['storage_full', 'The disk of the server is full. Free some space, then try again.'],
  EDQUOT: ['storage_full', 'The disk quota of the server is used up. Free some space, then try again.'],
  EROFS: ['storage_unavailable', 'The data folder of the server is read-only. Mount it writable, then try again.'],
  EACCES: ['storage_unavailable', 'The server has no permission for its data folder. Grant it, then try again.'],
  EPERM: ['storage_unavailable', 'The server has no permission for its data folder. Grant it, then try again.'],
  EIO: ['storage_unavailable', 'The disk of the server is broken. Repair or replace it, then try again.'],
  ENOTDIR: ['storage_unavailable', 'A file is in the place of a folder of the server. Move it away, then try again.'],
} as const;

/** Seconds; somebody has to free space or repair the disk first. */
const RETRY_AFTER_S = 60;

/**
 * The error to report when a disk is full, read-only or broken: `storage_full` or `storage_unavailable`. Its message
 * contains no path, since clients see it; its `cause` does, for the log.
 * @returns undefined when neither the thrown value nor one of its causes is such an error
 */
export function asStorageError(thrown: unknown): AppError | undefined {
  if (thrown instanceof AppError && (thrown.code === 'storage_full' || thrown.code === 'storage_unavailable')) {
    return thrown;
  }
  const errno = errnoOf(thrown);
  if (errno !== undefined && Object.hasOwn(DISK_ERRORS, errno) && isFileSystemError(thrown)) {
    const [code, message] = DISK_ERRORS[errno as keyof typeof DISK_ERRORS];
    return new AppError(code, message, { retryAfter: RETRY_AFTER_S, cause: thrown });
  }
  // A missing file says nothing of the disk; a folder in which another one is to be made has been removed.
  if (errno === 'ENOENT' && syscallOf(thrown) === 'mkdir') {
    return new AppError('storage_unavailable', FOLDER_MISSING, { retryAfter: RETRY_AFTER_S, cause: thrown });
  }
  return thrown instanceof Error && thrown.cause !== undefined ? asStorageError(thrown.cause) : undefined;
}

/** Sockets, signals, new processes and the limit on watched folders use the same error numbers. */
function isFileSystemError(thrown: unknown): boolean {
  const syscall = syscallOf(thrown);
  return syscall !== undefined && !/^(watch|spawn|listen|bind|connect|kill|uv_)/.test(syscall);
}

/** The message of a thrown value, without the path when it is an error of the file system: clients may see it. */
export function messageWithoutPath(thrown: unknown): string {
  const syscall = syscallOf(thrown);
  const message = messageOf(thrown);
  return syscall === undefined ? message : (message.split(`, ${syscall}`)[0] ?? message);
}

function syscallOf(thrown: unknown): string | undefined {
  return thrown instanceof Error ? (thrown as NodeJS.ErrnoException).syscall : undefined;
}
