import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../common/errors.ts';
import { createLogger, type Logger } from '../../common/logger.ts';
import { connectToRedis, type RedisConnection, reasonOf } from './redis-connection.ts';

/** Milliseconds between two questions whether Redis answers, and between attempts to connect. */
const ASK_INTERVAL_MS = 2_000;

/** What a link needs. */
export interface RedisLinkOptions {
  /** See `connectToRedis`. */
  readonly url: string;
  /** Names what is announced; the same on all machines that hear of each other. */
  readonly channel: string;
  readonly logger: Logger;
}

/**
 * Tells other machines through Redis that something has changed, hears it from them, and knows whether Redis answers.
 * Announcements may be lost, so a listener looks by itself too, only less often. Nothing here fails or waits because
 * Redis is away; the link comes back by itself.
 */
export class RedisLink {
  readonly #options: RedisLinkOptions;
  /** Sent with each announcement, so that a machine does not hear itself. */
  readonly #id = randomUUID();
  readonly #closing = new AbortController();
  readonly #listeners = new Set<() => void>();
  #connection: RedisConnection | undefined;
  #isUp = false;
  /** Why Redis cannot be used, once that is known. */
  #problem: string | undefined;

  constructor(options: RedisLinkOptions) {
    this.#options = options;
    void this.#run();
  }

  /** Whether Redis has answered when it was last asked. */
  get isUp(): boolean {
    return this.#isUp;
  }

  /** What is wrong with Redis, for health checks. */
  get warnings(): string[] {
    if (this.#problem === undefined) return [];
    return [`Redis does not answer (${this.#problem}): changes by other machines are seen a little later.`];
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
    this.#closing.abort();
    this.#listeners.clear();
    this.#connection?.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        this.#connection ??= await this.#connect();
        await this.#connection.client.ping();
        this.#isUp = true;
        this.#problem = undefined;
      } catch (thrown) {
        this.#isUp = false;
        this.#problem = reasonOf(thrown);
      }
      await delay(ASK_INTERVAL_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  async #connect(): Promise<RedisConnection> {
    const { url } = this.#options;
    // The job queue logs the loss of the same Redis.
    const connection = await connectToRedis(url, createLogger('silent'));
    if (this.#closing.signal.aborted) connection.close();
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
      if (this.#closing.signal.aborted) return;
      this.#options.logger.warn({ reason: messageOf(thrown) }, 'changes by other machines are not announced');
    }
  }

  #tellListeners(): void {
    for (const listener of this.#listeners) listener();
  }
}
