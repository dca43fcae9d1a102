import { watch } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { AppError } from '../../src/common/errors.ts';
import { asStorageError } from '../../src/common/storage-error.ts';

function systemError(code: string, syscall: string): Error {
  return Object.assign(new Error(`${code}: something, ${syscall} '/data/models/a'`), { code, syscall });
}

it.each([
  ['ENOSPC', 'storage_full', 507],
  ['EDQUOT', 'storage_full', 507],
  ['EROFS', 'storage_unavailable', 503],
  ['EACCES', 'storage_unavailable', 503],
  ['EPERM', 'storage_unavailable', 503],
  ['EIO', 'storage_unavailable', 503],
  ['ENOTDIR', 'storage_unavailable', 503],
])('%s is reported as %s', (errno, code, status) => {
  const error = asStorageError(systemError(errno, 'write'));
  expect(error).toMatchObject({ code, status, retryAfter: 60 });
});

it('the message has no path; the cause has it, for the log', () => {
  const thrown = systemError('ENOSPC', 'open');
  expect(asStorageError(thrown)?.message).not.toContain('/data');
  expect(asStorageError(thrown)?.cause).toBe(thrown);
});

it('an error of the disk is found among the causes of another', () => {
  const wrapped = new AppError('model_unavailable', 'cannot be converted', {
    cause: new Error('the worker failed', { cause: systemError('EROFS', 'mkdir') }),
  });
  expect(asStorageError(wrapped)?.code).toBe('storage_unavailable');
});

it('a storage error stays as it is', () => {
  const error = new AppError('storage_full', 'full');
  expect(asStorageError(error)).toBe(error);
});

it('a folder that cannot be made because its parent was removed is reported, unlike a missing file', async () => {
  const thrown = await mkdir('/nowhere/a').catch((error: unknown) => error);
  expect(asStorageError(thrown)).toMatchObject({ code: 'storage_unavailable', cause: thrown });
});

it('a missing file, a plain error and an error that only mentions a full disk are not storage errors', async () => {
  const missing = await writeFile('/nowhere/a', '').catch((thrown: unknown) => thrown);
  expect(asStorageError(missing)).toBeUndefined();
  expect(asStorageError(new Error('ENOSPC'))).toBeUndefined();
  expect(asStorageError(undefined)).toBeUndefined();
  // inotify reports its limit of watched folders as ENOSPC.
  expect(asStorageError(systemError('ENOSPC', watch.name))).toBeUndefined();
  expect(asStorageError(systemError('EACCES', 'listen'))).toBeUndefined();
});
