import { GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { seededRandom } from '../../../src/common/random.ts';
import { MemoryS3 } from '../../registry/s3/memory-s3.ts';
import { bareClient } from './cluster.ts';
import { S3Gate } from './s3-gate.ts';

let s3: MemoryS3;
let gate: S3Gate;
let client: S3Client;

beforeEach(async () => {
  s3 = await MemoryS3.start('zoo');
  gate = await S3Gate.listen(s3.endpoint, seededRandom(1));
  client = bareClient(`http://127.0.0.1:${gate.port}`, 1);
});
afterEach(async () => {
  client.destroy();
  await gate.close();
  await s3.stop();
});

const put = (text: string) => client.send(new PutObjectCommand({ Bucket: 'zoo', Key: 'a', Body: text }));

async function get(): Promise<string | undefined> {
  return (await client.send(new GetObjectCommand({ Bucket: 'zoo', Key: 'a' }))).Body?.transformToString();
}

test('without trouble, requests reach the bucket and are answered', async () => {
  await put('one');
  expect(await get()).toBe('one');
});

test('an error is answered, and nothing is done', async () => {
  gate.trouble('error', 1);
  await expect(put('one')).rejects.toMatchObject({ name: 'InternalError', $metadata: { httpStatusCode: 500 } });
  expect(s3.keys()).toEqual([]);
  gate.heal();
  await put('one');
  expect(await get()).toBe('one');
});

test('a full bucket refuses what is written, and gives what it has', async () => {
  await put('one');
  gate.trouble('full', 1);
  await expect(put('two')).rejects.toThrow(/Full|Quota|TooLarge/);
  expect(await get()).toBe('one');
});

test('what is lost was done, but is not answered', async () => {
  gate.trouble('lost', 1);
  await expect(put('one')).rejects.toThrow();
  gate.heal();
  expect(await get()).toBe('one');
});
