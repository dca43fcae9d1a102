/** Where a store is: a bucket, and what the keys of all its objects begin with, which is empty or ends with `/`. */
export interface StoreLocation {
  readonly bucket: string;
  readonly prefix: string;
}

/** Names of buckets by the rules of Amazon S3; segments of a prefix have letters, digits and a few signs. */
const LOCATION = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:\/[\w.=-]+)*)\/?$/;

/** Reads `s3://bucket/prefix`. @returns undefined when it is something else */
export function parseStoreLocation(address: string): StoreLocation | undefined {
  const [, bucket, path = ''] = LOCATION.exec(address) ?? [];
  if (bucket === undefined) return undefined;
  return { bucket, prefix: path === '' ? '' : `${path.slice(1)}/` };
}
