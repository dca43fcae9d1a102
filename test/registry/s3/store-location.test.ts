import { expect, test } from 'vitest';
import { parseStoreLocation } from '../../../src/registry/s3/store-location.ts';

test.each([
  ['s3://zoo', { bucket: 'zoo', prefix: '' }],
  ['s3://zoo/', { bucket: 'zoo', prefix: '' }],
  ['s3://my-zoo.eu/team/models', { bucket: 'my-zoo.eu', prefix: 'team/models/' }],
])('%s is a bucket and a prefix', (address, location) => {
  expect(parseStoreLocation(address)).toEqual(location);
});

test.each(['', 'zoo', 's3:/zoo', 's3://', 's3://Zoo', 's3://zoo//a', 's3://zoo/a?b', 'https://zoo/a', 's3://zoo/a b'])(
  '%j is none',
  (address) => {
    expect(parseStoreLocation(address)).toBeUndefined();
  },
);
