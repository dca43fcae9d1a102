import type * as BullMQ from 'bullmq';
import type * as IORedis from 'ioredis';
import { AppError, messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/logger.ts';

/** Milliseconds that a command may take: a Redis that is paused, or behind a broken network, is then as good as gone. */
const COMMAND_TIMEOUT_MS = 5_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** Milliseconds between attempts to connect again. */
const MAX_RECONNECT_MS = 2_000;
/** Milliseconds that Redis gets to answer when the queue is opened. */
const OPEN_TIMEOUT_MS = 15_000;
/** Seconds after which a client may try again what Redis has not answered. */
const RETRY_AFTER_SECONDS = 5;
/** Answers of a Redis that works, to a command that is wrong. All others come from a Redis that cannot do its work now. */
const OUR_MISTAKES = /^(?:ERR|WRONGTYPE|NOSCRIPT)\b/;

/** A connection to Redis that fails at once, rather than waits, while Redis is away, and comes back by itself. */
export interface RedisConnection {
  readonly bullmq: typeof BullMQ;
  readonly client: IORedis.Redis;
  /** For messages; nothing else can be sent on it. */
  readonly subscriber: IORedis.Redis;
  close(): void;
}

/**
 * Connects to Redis.
 * @param url `redis://` or, with TLS, `rediss://`; a user, a password and the number of a database may be in it
 * @throws Error when the packages are not installed, or Redis does not answer
 */
export async function connectToRedis(
  url: string,
  logger: Logger,
  commandTimeoutMs = COMMAND_TIMEOUT_MS,
): Promise<RedisConnection> {
  const { bullmq, ioredis } = await loadPackages();
  const location = withoutCredentials(url);
  const client = new ioredis.Redis(url, {
    lazyConnect: true,
    // Commands must not wait for a connection, nor be sent twice: callers decide what is tried again.
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: commandTimeoutMs,
    connectTimeout: CONNECT_TIMEOUT_MS,
    retryStrategy: (times: number) => Math.min(100 * times, MAX_RECONNECT_MS),
  });
  // ioredis would not catch the failure of its own attempt to subscribe again, which ends the process.
  const subscriber = client.duplicate({ autoResubscribe: false });
  logStateOf(client, location, logger);
  // It says the same as the other one.
  subscriber.on('error', () => undefined);
  try {
    await Promise.all([connected(client), connected(subscriber)]);
  } catch (thrown) {
    client.disconnect();
    subscriber.disconnect();
    // Not as a cause: it carries the command, which may be the one with the password.
    throw new Error(`Redis at ${location} cannot be used: ${messageOf(thrown)}`);
  }
  return {
    bullmq,
    client,
    subscriber,
    close: () => {
      client.disconnect();
      subscriber.disconnect();
    },
  };
}

async function loadPackages(): Promise<{ bullmq: typeof BullMQ; ioredis: Pick<typeof IORedis, 'Redis'> }> {
  try {
    return { bullmq: await import('bullmq'), ioredis: await import('ioredis') };
  } catch (thrown) {
    throw new Error(
      'JOB_QUEUE names Redis, for which two packages must be installed: type "npm install bullmq@6 ioredis@6"',
      { cause: thrown },
    );
  }
}

/** The address without user and password, for people. */
function withoutCredentials(url: string): string {
  return url.replace(/\/\/.*@/, '//');
}

async function connected(client: IORedis.Redis): Promise<void> {
  let reason = 'it does not answer';
  const note = (error: Error) => {
    reason = messageOf(error);
  };
  client.on('error', note);
  const ready = new Promise<void>((resolve, reject) => {
    client.once('ready', resolve);
    setTimeout(() => reject(new Error(reason)), OPEN_TIMEOUT_MS).unref();
  });
  // Its failure is in `reason`, and it tries again.
  client.connect().catch(() => undefined);
  try {
    await ready;
  } finally {
    client.off('error', note);
  }
}

/** Logs the loss of Redis once, not at each attempt to come back. */
function logStateOf(client: IORedis.Redis, location: string, logger: Logger): void {
  let isLost = false;
  client.on('error', (error: Error) => {
    if (!isLost) logger.error({ redis: location, reason: messageOf(error) }, 'Redis is lost');
    isLost = true;
  });
  client.on('ready', () => {
    if (isLost) logger.info({ redis: location }, 'Redis is back');
    isLost = false;
  });
}

/** Does `work` with Redis. @throws AppError `storage_unavailable` when Redis is away or refuses to work */
export async function withRedis<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (thrown instanceof AppError || OUR_MISTAKES.test(messageOf(thrown))) throw thrown;
    const reason = reasonOf(thrown);
    throw new AppError('storage_unavailable', `Redis, which holds the jobs, cannot be used now: ${reason}.`, {
      retryAfter: RETRY_AFTER_SECONDS,
    });
  }
}

/** Why Redis cannot be used, for people: ioredis says that there is no connection in terms of its options. */
export function reasonOf(thrown: unknown): string {
  const isCut = /enableOfflineQueue|maxRetriesPerRequest/.test(messageOf(thrown));
  return isCut ? 'there is no connection' : messageOf(thrown);
}
