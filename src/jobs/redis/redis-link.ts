import { randomUUID } from 'node:crypto';
import { messageOf } from '../../common/errors.ts';
import { createLogger, type Logger } from '../../common/logger.ts';
import { connectToRedis, type RedisConnection } from './redis-connection.ts';
import { RedisPulse } from './redis-pulse.ts';

/** What a link needs. */
export interface RedisLinkOptions {
  /** See `connectToRedis`. */
  readonly url: string;
  /** Names what is announced; the same on all machines that hear of each other. */
  readonly channel: string;
  readonly logger: Logger;
}

/**
 * Tells other machines through Redis that something has changed, and hears it from them. Announcements may be lost, so a
 * listener looks by itself too, only less often. Nothing here fails or waits because Redis is away; the link comes back by
 * itself.
 */
export class RedisLink {
  readonly #options: RedisLinkOptions;
  /** Sent with each announcement, so that a machine does not hear itself. */
  readonly #id = randomUUID();
  readonly #listeners = new Set<() => void>();
  /** Connects too, and again until it has succeeded; then the connection comes back by itself. */
  readonly #pulse: RedisPulse;
  #connection: RedisConnection | undefined;
  #isClosed = false;

  constructor(options: RedisLinkOptions) {
    this.#options = options;
    this.#pulse = new RedisPulse(async () => {
      this.#connection ??= await this.#connect();
      await this.#connection.client.ping();
    });
  }

  /** What is wrong with Redis, for health checks. */
  get warnings(): string[] {
    const { problem } = this.#pulse;
    if (problem === undefined) return [];
    return [`Redis does not answer (${problem}): changes by other machines are seen a little later.`];
  }

  /** Tells the others. */
  announce(): void {
    const { channel } = this.#options;
    this.#connection?.client.publish(channel, this.#id).catch(() => undefined);
  }

  /** Calls back when another machine has announced something, and when announcements may have been missed. */
  listen(onChange: () => void): void {
    this.#listeners.add(onChange);
  }

  close(): void {
    this.#isClosed = true;
    this.#pulse.close();
    this.#listeners.clear();
    this.#connection?.close();
  }

  async #connect(): Promise<RedisConnection> {
    const { url } = this.#options;
    // The job queue logs the loss of the same Redis.
    const connection = await connectToRedis(url, createLogger('silent'));
    if (this.#isClosed) connection.close();
    connection.subscriber.on('message', (_channel: string, sender: string) => {
      if (sender !== this.#id) this.#tellListeners();
    });
    connection.subscriber.on('ready', () => void this.#subscribe(connection));
    await this.#subscribe(connection);
    return connection;
  }

  /** A subscription that fails is made again when the connection is. */
  async #subscribe({ subscriber }: RedisConnection): Promise<void> {
    try {
      await subscriber.subscribe(this.#options.channel);
      this.#tellListeners();
    } catch (thrown) {
      if (this.#isClosed) return;
      this.#options.logger.warn({ reason: messageOf(thrown) }, 'changes by other machines are not announced');
    }
  }

  #tellListeners(): void {
    for (const listener of this.#listeners) listener();
  }
}
