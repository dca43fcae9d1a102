import { randomUUID } from 'node:crypto';
import type { S3Bucket } from './bucket.ts';
import { isNotImplemented } from './bucket-errors.ts';

/** Below this, opened stores leave an object for a moment. */
export const PROBES = 'probes/';

/**
 * Checks that a bucket honours conditional writes, on which everything rests: without them two servers overwrite each
 * other's versions unnoticed. Some S3 APIs ignore the headers, others refuse them. From here on, the bucket sends ETags
 * in the form that its S3 API understands.
 * @returns the time by the clock of S3
 * @throws Error that says which condition is ignored; AppError `storage_unavailable` when S3 does not answer
 */
export async function expectConditionalWrites(bucket: S3Bucket): Promise<Date> {
  const key = `${PROBES}${randomUUID()}`;
  const refuse = (what: string): never => {
    throw new Error(
      `${bucket.address} cannot hold models: its S3 API ${what}, so two servers could overwrite each other's versions. ` +
        'It must honour If-None-Match and If-Match on PutObject, as Amazon S3 does',
    );
  };
  // A write whose answer was lost is tried again, and then refused because of itself.
  const write = async (text: string, etag?: string): Promise<boolean> =>
    (await bucket.writeIf(key, text, etag)) || (await bucket.read(key))?.text === text;
  try {
    if (!(await write('1'))) refuse('refuses to create an object with If-None-Match: *');
    if (await write('2')) refuse('ignores If-None-Match: *');
    if (await write('3', '00000000000000000000000000000000')) refuse('ignores If-Match');
    const etag = (await bucket.read(key))?.etag ?? '';
    if (!(await write('4', etag))) {
      // The gateway of Ceph compares the quotes, too, with an ETag that has none.
      bucket.sendBareEtags();
      if (!(await write('4', etag))) refuse('refuses If-Match with the ETag of the object');
    }
    if (await write('5', etag)) refuse('accepts an ETag that the object no longer has');
    return (await bucket.list(key))[0]?.modified ?? refuse('does not list an object that was written');
  } catch (thrown) {
    if (isNotImplemented(thrown)) refuse('does not know conditional writes');
    throw thrown;
  } finally {
    await bucket.remove(key);
  }
}
