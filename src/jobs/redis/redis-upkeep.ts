import { isFinished } from '../job-queue.ts';
import { durabilityWarnings } from './durability.ts';
import { withRedis } from './redis-connection.ts';
import { inBackground, type RedisParts, removeArchive } from './redis-parts.ts';

const REPAIR_INTERVAL_MS = 60_000;

/**
 * Keeps the jobs in Redis in order: takes jobs from workers that fell silent, makes good what a crash has left, and looks
 * whether Redis keeps what it has acknowledged.
 */
export class RedisUpkeep {
  readonly #parts: RedisParts;
  #repairing: NodeJS.Timeout | undefined;
  #warnings: readonly string[] = [];

  constructor(parts: RedisParts) {
    this.#parts = parts;
  }

  /** As `JobQueue.warnings`. */
  get warnings(): readonly string[] {
    return this.#warnings;
  }

  async start(): Promise<void> {
    await this.#putInOrder();
    this.#repairing = setInterval(() => inBackground(this.#parts, this.#putInOrder()), REPAIR_INTERVAL_MS).unref();
    await this.#parts.delivery.start((id) => inBackground(this.#parts, this.#workerLost(id)));
  }

  stop(): void {
    clearInterval(this.#repairing);
  }

  async #workerLost(id: string): Promise<void> {
    const { records, delivery, logger } = this.#parts;
    const state = await records.stalled(id, delivery.lockKey(id));
    logger.warn({ job: id, state }, 'a job lost its worker');
    if (state !== undefined && isFinished(state)) {
      await removeArchive(this.#parts, id);
      await delivery.remove(id);
    } else await records.publish(id);
  }

  async #putInOrder(): Promise<void> {
    await this.#repair();
    await this.#checkDurability();
  }

  async #checkDurability(): Promise<void> {
    const { client, logger } = this.#parts;
    const warnings = durabilityWarnings(await withRedis(() => client.info()));
    for (const warning of warnings) if (!this.#warnings.includes(warning)) logger.warn(warning);
    this.#warnings = warnings;
  }

  /** Makes good what a crash has left between the records, BullMQ and the archives. */
  async #repair(): Promise<void> {
    const { records, delivery, limits } = this.#parts;
    for (const id of await records.unfinished()) {
      if (await delivery.has(id)) continue;
      await records.stalled(id, delivery.lockKey(id));
      const job = await records.get(id);
      if (job !== undefined) await delivery.add(job);
    }
    for (const id of await records.leftovers(limits.leaseMs)) await removeArchive(this.#parts, id);
  }
}
