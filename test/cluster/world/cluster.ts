import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { packageFile } from '../../../src/common/package-files.ts';
import { seededRandom } from '../../../src/common/random.ts';
import { RedisServer } from '../../jobs/redis/redis-server.ts';
import type { History } from '../history.ts';
import { Machine, type MachineSettings } from './machine.ts';
import { S3Gate } from './s3-gate.ts';
import { TcpLink } from './tcp-link.ts';

/** How far the clocks of some machines are off, in milliseconds. */
const TEN_MINUTES_MS = 600_000;

/** The machines of a run. One server leaves all jobs to others; some clocks are wrong. */
const MACHINES: readonly (Omit<MachineSettings, 'environment'> & { readonly worksOnJobs: boolean })[] = [
  { name: 'server-1', role: 'serve', worksOnJobs: false, clockShiftMs: 0 },
  { name: 'server-2', role: 'serve', worksOnJobs: true, clockShiftMs: TEN_MINUTES_MS },
  { name: 'worker-1', role: 'worker', worksOnJobs: true, clockShiftMs: 0 },
  { name: 'worker-2', role: 'worker', worksOnJobs: true, clockShiftMs: -TEN_MINUTES_MS },
];

const CREDENTIALS = { AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'anyone', AWS_SECRET_ACCESS_KEY: 'secret' };
const BUCKET = 'cluster';
const S3_PROCESS = packageFile('dist', 'test', 'cluster', 'world', 's3-process.js');

/** A machine and its connections, each a proxy of its own. */
export interface LinkedMachine {
  readonly machine: Machine;
  readonly redis: TcpLink;
  readonly s3: TcpLink;
}

/** An S3 API without any proxy, and where in it the versions are. */
export interface BareBucket {
  readonly endpoint: string;
  readonly bucket: string;
  readonly prefix: string;
}

/** A Redis, an S3 API, servers and workers on one machine, and the connections between them. */
export class Cluster {
  readonly redis: RedisServer;
  readonly gate: S3Gate;
  readonly bare: BareBucket;
  readonly machines: readonly LinkedMachine[];
  readonly #end: () => Promise<void>;

  private constructor(parts: Pick<Cluster, 'redis' | 'gate' | 'bare' | 'machines'>, end: () => Promise<void>) {
    this.redis = parts.redis;
    this.gate = parts.gate;
    this.bare = parts.bare;
    this.machines = parts.machines;
    this.#end = end;
  }

  /**
   * Starts everything, without waiting until it is ready.
   * @param folder for data and logs
   * @param s3 address of an S3 API; without one, one in memory is started
   */
  static async start(folder: string, history: History, seed: number, s3?: string): Promise<Cluster> {
    await mkdir(folder, { recursive: true });
    const { endpoint, end } = s3 === undefined ? await startS3() : { endpoint: s3, end: () => {} };
    const bare = { endpoint, bucket: BUCKET, prefix: `run-${seed}-${Date.now()}/` };
    await makeBucket(endpoint);
    const redis = await RedisServer.start();
    const gate = await S3Gate.listen(endpoint, seededRandom(seed, 1));
    const machines: LinkedMachine[] = [];
    for (const { worksOnJobs, ...settings } of MACHINES) {
      const [toRedis, toS3] = [await TcpLink.listen(redis.port), await TcpLink.listen(gate.port)];
      const environment = {
        ...CREDENTIALS,
        JOB_QUEUE: `redis://127.0.0.1:${toRedis.port}`,
        ARTIFACT_STORE: `s3://${BUCKET}/${bare.prefix.slice(0, -1)}`,
        AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${toS3.port}`,
        WORK_ON_JOBS: String(worksOnJobs),
      };
      const machine = new Machine({ ...settings, environment }, folder, history);
      machines.push({ machine, redis: toRedis, s3: toS3 });
      machine.start();
    }
    return new Cluster({ redis, gate, bare, machines }, async () => {
      for (const link of machines.flatMap((each) => [each.redis, each.s3])) await link.close();
      await gate.close();
      await redis.dispose();
      end();
    });
  }

  /** Those that answer requests. */
  get servers(): readonly Machine[] {
    return this.machines.map(({ machine }) => machine).filter(({ role }) => role === 'serve');
  }

  /** Asks all processes to end, in order, then ends what they stood on. */
  async stop(): Promise<void> {
    await Promise.all(this.machines.map(({ machine }) => machine.stop()));
    await this.#end();
  }

  /** A machine that was in no run: a server that has nothing but the bucket, and reaches it without a proxy. */
  referee(folder: string, history: History): Machine {
    const { endpoint, prefix } = this.bare;
    const environment = {
      ...CREDENTIALS,
      ARTIFACT_STORE: `s3://${BUCKET}/${prefix.slice(0, -1)}`,
      AWS_ENDPOINT_URL_S3: endpoint,
    };
    return new Machine({ name: 'referee', role: 'serve', environment, clockShiftMs: 0 }, join(folder), history);
  }
}

/** Starts an S3 API in a process of its own. */
async function startS3(): Promise<{ endpoint: string; end: () => void }> {
  const child = fork(S3_PROCESS, { execArgv: [] });
  const [endpoint] = await once(child, 'message');
  return { endpoint: String(endpoint), end: () => child.disconnect() };
}

/** A client for the bucket behind everybody's back. @param maxAttempts how often it sends a request that fails */
export function bareClient(endpoint: string, maxAttempts = 3): S3Client {
  return new S3Client({
    endpoint,
    maxAttempts,
    forcePathStyle: true,
    region: CREDENTIALS.AWS_REGION,
    credentials: { accessKeyId: CREDENTIALS.AWS_ACCESS_KEY_ID, secretAccessKey: CREDENTIALS.AWS_SECRET_ACCESS_KEY },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
}

async function makeBucket(endpoint: string): Promise<void> {
  const client = bareClient(endpoint);
  try {
    await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
  } catch (thrown) {
    if (!(thrown instanceof Error) || !thrown.name.startsWith('BucketAlready')) throw thrown;
  } finally {
    client.destroy();
  }
}
