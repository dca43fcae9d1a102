import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BucketArchives } from '../../../src/jobs/redis/bucket-archives.ts';
import { FolderArchives, type JobArchives } from '../../../src/jobs/redis/job-archives.ts';
import { MemoryS3 } from '../../registry/s3/memory-s3.ts';

process.env['AWS_ACCESS_KEY_ID'] = 'anyone';
process.env['AWS_SECRET_ACCESS_KEY'] = 'secret';
process.env['AWS_REGION'] = 'us-east-1';

let folder: string;
let s3: MemoryS3;
const opened: BucketArchives[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'archives-'));
  s3 = await MemoryS3.start('zoo');
});

afterEach(async () => {
  for (const archives of opened.splice(0)) archives.close();
  await s3.stop();
  await rm(folder, { recursive: true });
});

/** Opens the archives in the bucket, as a machine of this name does. */
async function inBucket(machine: string): Promise<BucketArchives> {
  const location = { bucket: 'zoo', prefix: 'team/', endpoint: s3.endpoint };
  const archives = await BucketArchives.open(location, join(folder, machine));
  opened.push(archives);
  return archives;
}

async function upload(content: string | Buffer = 'photos'): Promise<string> {
  const path = join(folder, 'upload.zip');
  await writeFile(path, content);
  return path;
}

describe.each<[string, (machine: string) => Promise<JobArchives>]>([
  ['in a folder', () => FolderArchives.open(join(folder, 'shared'))],
  ['in a bucket', inBucket],
])('archives %s', (_, open) => {
  test('are moved there by one machine, and found by another', async () => {
    const path = await upload();
    await (await open('server')).put('job-1', path);
    expect(existsSync(path)).toBe(false);
    expect(await readFile(await (await open('worker')).fetch('job-1'), 'utf8')).toBe('photos');
  });

  test('are found again by a machine that has begun before', async () => {
    const archives = await open('server');
    await archives.put('job-1', await upload());
    await archives.fetch('job-1');
    expect(await readFile(await archives.fetch('job-1'), 'utf8')).toBe('photos');
  });

  test('are gone once one machine has removed them, and nothing happens when there are none', async () => {
    const [server, worker] = [await open('server'), await open('worker')];
    await server.put('job-1', await upload());
    const copy = await worker.fetch('job-1');
    await worker.remove('job-1');
    expect(existsSync(copy)).toBe(false);
    await server.remove('job-1');
    expect(s3.keys()).toEqual([]);
  });
});

describe('archives in a bucket', () => {
  test('larger than a part arrive whole, beside the models of the prefix', async () => {
    const content = Buffer.alloc(9 * 1024 * 1024, 'photo');
    await (await inBucket('server')).put('job-1', await upload(content));
    expect(s3.keys()).toEqual(['team/archives/job-1.zip']);
    const fetched = await readFile(await (await inBucket('worker')).fetch('job-1'));
    // `toEqual` takes a minute and a half for nine million bytes.
    expect(fetched.equals(content)).toBe(true);
  });

  test('stay where they were while the bucket is full', async () => {
    const path = await upload();
    s3.fault = () => 'full';
    await expect((await inBucket('server')).put('job-1', path)).rejects.toMatchObject({ code: 'storage_full' });
    expect(await readFile(path, 'utf8')).toBe('photos');
  });

  test('that break off are no archives', async () => {
    await (await inBucket('server')).put('job-1', await upload());
    const worker = await inBucket('worker');
    s3.fault = () => 'cut';
    await expect(worker.fetch('job-1')).rejects.toMatchObject({ code: 'storage_unavailable' });
    expect(await readdir(join(folder, 'worker'))).not.toContain('job-1.zip');
  });

  test('that an earlier process has fetched are removed at the start', async () => {
    const killed = await inBucket('worker');
    await killed.put('job-1', await upload());
    const copy = await killed.fetch('job-1');
    await inBucket('worker');
    expect(existsSync(copy)).toBe(false);
  });
});
