import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { colouredPicture, colourZip } from '../../scripts/labelled-zip.ts';
import { type ServerProcess, startServer, temporaryDataDir, until, untilReady } from '../../scripts/server-process.ts';
import { openQueue } from '../jobs/redis/redis-harness.ts';
import { HAS_REDIS, RedisServer, WITHOUT_REDIS } from '../jobs/redis/redis-server.ts';
import { MemoryS3 } from '../registry/s3/memory-s3.ts';
import type { ClassifyAnswer } from './answers.ts';

/** A job in the API; only what these tests use. */
interface JobAnswer {
  readonly id: string;
  readonly state: string;
  readonly attempts: number;
  readonly progress: { readonly phase: string } | null;
}

/** A worker in a process of its own. */
interface WorkerProcess {
  readonly child: ChildProcess;
  readonly log: () => string;
  readonly exit: Promise<number | string>;
}

const PREFIX = '{menagerie}';

describe.skipIf(!HAS_REDIS)(`a server and workers on a real Redis${WITHOUT_REDIS}`, () => {
  let data: Awaited<ReturnType<typeof temporaryDataDir>>;
  let redis: RedisServer;
  let s3: MemoryS3;
  let server: ServerProcess;
  let settings: Record<string, string>;
  const workers: WorkerProcess[] = [];

  beforeAll(async () => {
    data = await temporaryDataDir();
    [redis, s3] = await Promise.all([RedisServer.start(), MemoryS3.start('zoo')]);
    settings = {
      JOB_QUEUE: redis.url,
      ARTIFACT_STORE: 's3://zoo',
      AWS_ENDPOINT_URL_S3: s3.endpoint,
      AWS_ACCESS_KEY_ID: 'anyone',
      AWS_SECRET_ACCESS_KEY: 'secret',
      AWS_REGION: 'us-east-1',
    };
    server = await startServer(join(data.path, 'server'), { ...settings, WORK_ON_JOBS: 'false' });
    await untilReady(server);
  });

  afterAll(async () => {
    for (const { child } of [server, ...workers]) child.kill('SIGKILL');
    await Promise.all([server, ...workers].map(({ exit }) => exit));
    await redis.dispose();
    await s3.stop();
    await data.remove();
  });

  async function startWorker(name: string, own: Record<string, string> = {}): Promise<WorkerProcess> {
    const child = spawn(process.execPath, ['dist/src/main.js', 'worker'], {
      env: { ...process.env, DATA_DIR: join(data.path, name), ...settings, ...own },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let log = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (log += String(chunk)));
    const exit = once(child, 'exit').then(([code, signal]) => code ?? signal);
    const worker = { child, log: () => log, exit };
    workers.push(worker);
    await until(() => log.includes('working on jobs') || child.exitCode !== null);
    expect(child.exitCode, log).toBeNull();
    return worker;
  }

  async function finetune(name: string): Promise<string> {
    const form = new FormData();
    form.append('dataset', new Blob([new Uint8Array(await colourZip())]), 'colours.zip');
    for (const [option, value] of Object.entries({ name, copies: '1', epochs: '20' })) form.append(option, value);
    const response = await fetch(`${server.url}/finetune`, { method: 'POST', body: form });
    const job = (await response.json()) as JobAnswer;
    expect(response.status, JSON.stringify(job)).toBe(202);
    return job.id;
  }

  async function job(id: string): Promise<JobAnswer> {
    return (await (await fetch(`${server.url}/jobs/${id}`)).json()) as JobAnswer;
  }

  /** What a minute of silence does: the lock of a job runs out, and a machine that looks for such jobs finds it. */
  async function passMinute(id: string): Promise<void> {
    const client = new Redis(redis.url);
    await client.del(`${PREFIX}:jobs:${id}:lock`, `${PREFIX}:jobs:stalled-check`);
    client.disconnect();
    const finder = await openQueue(redis, PREFIX, { leaseMs: 100 });
    await until(async () => (await finder.get(id)).state === 'queued' || (await finder.get(id)).attempts > 1);
    await finder.close();
  }

  test('what a killed worker has begun is ended by another, and served by the server', async () => {
    const first = await startWorker('first');
    const id = await finetune('colours');
    await until(async () => (await job(id)).progress !== null);
    first.child.kill('SIGKILL');
    await first.exit;
    const second = await startWorker('second');
    await passMinute(id);
    await (await fetch(`${server.url}/jobs/${id}/events`)).text();
    expect(await job(id), second.log()).toMatchObject({ state: 'succeeded', attempts: 2 });
    expect(server.log()).not.toContain('fine-tuning');

    await until(async () => (await fetch(`${server.url}/models/colours`)).ok);
    const response = await fetch(`${server.url}/classify?model=colours`, {
      method: 'POST',
      headers: { 'content-type': 'image/png' },
      body: new Uint8Array(await colouredPicture('green', 99)),
    });
    const answer = (await response.json()) as ClassifyAnswer;
    expect(answer).toMatchObject({ model: 'colours', version: 1 });
    expect(answer.results[0]?.predictions?.[0]?.label).toBe('green');

    second.child.kill('SIGTERM');
    expect(await second.exit).toBe(0);
  });

  test('a worker that drains ends its job where it has the time, else gives it back, and takes no other', async () => {
    const hasty = await startWorker('hasty', { SHUTDOWN_TIMEOUT_MS: '100' });
    const [running, waiting] = [await finetune('drained'), await finetune('waiting')];
    await until(async () => (await job(running)).progress !== null);
    hasty.child.kill('SIGTERM');
    expect(await hasty.exit, hasty.log()).toBe(0);
    expect(await job(running)).toMatchObject({ state: 'queued', attempts: 0 });

    const patient = await startWorker('patient', { SHUTDOWN_TIMEOUT_MS: '600000' });
    await until(async () => (await job(running)).state === 'running');
    patient.child.kill('SIGTERM');
    expect(await patient.exit, patient.log()).toBe(0);
    expect(await job(running), patient.log()).toMatchObject({ state: 'succeeded', attempts: 1 });
    expect(await job(waiting)).toMatchObject({ state: 'queued', attempts: 0 });
    await fetch(`${server.url}/jobs/${waiting}`, { method: 'DELETE' });
  });

  test('a worker works on CONCURRENCY jobs at once', async () => {
    const wide = await startWorker('wide', { CONCURRENCY: '2' });
    const ids = [await finetune('one'), await finetune('two')];
    await until(async () => {
      const states = await Promise.all(ids.map(async (id) => (await job(id)).state));
      return states.every((state) => state === 'running') || states.includes('failed');
    });
    for (const id of ids) {
      await (await fetch(`${server.url}/jobs/${id}/events`)).text();
      expect(await job(id), wide.log()).toMatchObject({ state: 'succeeded', attempts: 1 });
    }
    wide.child.kill('SIGTERM');
    expect(await wide.exit).toBe(0);
  });

  test('what one machine changes in the bucket is announced to the others through Redis', async () => {
    const channel = `menagerie:${settings['ARTIFACT_STORE']}`;
    const client = new Redis(redis.url);
    expect(await client.pubsub('NUMSUB', channel)).toEqual([channel, 1]);
    const announced = once(client, 'message');
    await client.subscribe(channel);
    const answer = await fetch(`${server.url}/models/colours/aliases/tested`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ version: 1 }),
    });
    expect(answer.ok).toBe(true);
    expect((await announced)[0]).toBe(channel);
    client.disconnect();
  });

  test('features that one worker has computed are found by another', async () => {
    const sent = () => s3.requests.filter(({ method, key }) => method === 'PUT' && key.startsWith('features/')).length;
    const before = sent();
    expect(before).toBeGreaterThan(0);
    const third = await startWorker('third');
    const id = await finetune('again');
    await (await fetch(`${server.url}/jobs/${id}/events`)).text();
    expect(await job(id), third.log()).toMatchObject({ state: 'succeeded' });
    // It has computed nothing that it would have to share.
    expect(sent()).toBe(before);
    third.child.kill('SIGTERM');
    expect(await third.exit).toBe(0);
  });
});

test('a server that works on no jobs, and has nobody who would, says so', async () => {
  const data = await temporaryDataDir();
  const server = await startServer(data.path, { WORK_ON_JOBS: 'false' });
  expect(server.log()).toContain('nobody will work on fine-tunes');
  server.child.kill('SIGTERM');
  expect(await server.exit).toBe(0);
  await data.remove();
});
