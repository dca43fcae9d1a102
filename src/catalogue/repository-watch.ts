import { type FSWatcher, watch } from 'node:fs';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import type { ModelVersion, RegisteredModel, Registry } from '../registry/registry.ts';
import type { Repository, RepositoryListing } from '../registry/repository.ts';
import type { ModelServing } from '../serving/model-serving.ts';

/** How often the folders are looked at: the system's own notices are lost on some disks, and say nothing of subfolders. */
const SCAN_INTERVAL_MS = 2_000;
/** A notice often comes with others: one look is enough for all of them. */
const NOTICE_DELAY_MS = 100;
/** The deepest there is to see: the aliases of a model, and the files of a version. */
const DEPTH = 3;
/** Hidden names are of what is being written, but for this folder of a model. */
const ALIASES = '.aliases';

/** What the watch stands on; `services.ts` puts it together. */
export interface WatchParts {
  /** Where models come and go: `DATA_DIR/zoo` and `DATA_DIR/models`. */
  readonly folders: readonly string[];
  readonly repository: Pick<Repository, 'list'>;
  readonly registry: Registry;
  readonly serving: Pick<ModelServing, 'prepare' | 'release'>;
  readonly logger: Logger;
}

/**
 * Keeps the registry as the disk is: what appears, changes or goes there is served, replaced or forgotten. What is written
 * there is renamed into place, so whatever is seen is whole.
 */
export class RepositoryWatch {
  readonly #parts: WatchParts;
  #problems: RepositoryListing['problems'] = [];
  /** What the folders looked like when they were last read. */
  #seen: string | undefined;
  #watchers: readonly FSWatcher[] = [];
  #timer: NodeJS.Timeout | undefined;
  #scanning: Promise<void> | undefined;
  #closed = false;

  constructor(parts: WatchParts) {
    this.#parts = parts;
  }

  /** What lies there and cannot be served. */
  get problems(): RepositoryListing['problems'] {
    return this.#problems;
  }

  /** Reads the folders if anything in them has changed since they were last read. */
  async scan(): Promise<void> {
    // Before the folders are read: what changes meanwhile is seen next time.
    const state = (await Promise.all(this.#parts.folders.map((folder) => stateOf(folder, DEPTH)))).join('\n');
    if (state === this.#seen) return;
    await this.#parts.registry.changes.run(() => this.#read());
    this.#seen = state;
  }

  /** Looks again and again from now on. */
  async start(): Promise<void> {
    for (const folder of this.#parts.folders) await mkdir(folder, { recursive: true });
    if (this.#closed) return;
    this.#watchers = this.#parts.folders.flatMap((folder) => {
      try {
        const watcher = watch(folder, { persistent: false }, () => this.#plan(NOTICE_DELAY_MS));
        watcher.on('error', () => watcher.close());
        return watcher;
      } catch {
        // No more notices can be had from this system: the next look comes anyway.
        return [];
      }
    });
    this.#plan(SCAN_INTERVAL_MS);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const watcher of this.#watchers) watcher.close();
    await this.#scanning;
  }

  #plan(delayMs: number): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = setTimeout(async () => {
      this.#scanning ??= this.scan().catch((thrown: unknown) => {
        this.#parts.logger.error({ reason: messageOf(thrown) }, 'the models on the disk cannot be read');
      });
      await this.#scanning;
      this.#scanning = undefined;
      this.#plan(SCAN_INTERVAL_MS);
    }, delayMs);
    this.#timer.unref();
  }

  async #read(): Promise<void> {
    const { repository, registry, serving, logger } = this.#parts;
    const { models, absent, problems } = await repository.list();
    const broken = [...problems];
    for (const model of models) {
      try {
        await this.#adopt(model);
      } catch (thrown) {
        // What was there before serves on.
        broken.push({ where: model.name, reason: messageOf(thrown) });
      }
    }
    // A model whose new manifest is broken serves on as it was.
    const there = new Set([...models.map(({ name }) => name), ...problems.map(({ where }) => where)]);
    const gone = registry.list().filter(({ name }) => !there.has(name));
    for (const { name } of gone) registry.delete(name);
    for (const model of absent) registry.setAbsent(model);
    for (const version of gone.flatMap(({ versions }) => versions)) await serving.release(version);
    for (const { where, reason } of broken) {
      const isNew = !this.#problems.some((known) => known.where === where && known.reason === reason);
      if (isNew) logger.error({ where, reason }, 'a model is broken and not served');
    }
    this.#problems = broken;
  }

  /** Registers a model as it is now. What is loaded of it is loaded anew before the old is let go. */
  async #adopt(model: RegisteredModel): Promise<void> {
    const { registry, serving, logger } = this.#parts;
    const known = registry.find(model.name)?.versions ?? [];
    const before = new Map(known.map((version) => [version.version, version]));
    const versions: ModelVersion[] = [];
    const swaps: (() => void)[] = [];
    for (const version of model.versions) {
      const old = before.get(version.version);
      before.delete(version.version);
      // The same object while it is the same: what others know of it is kept by it.
      if (old !== undefined && isSame(old, version)) versions.push(old);
      else {
        versions.push(version);
        if (old !== undefined) swaps.push(await serving.prepare(version));
      }
    }
    registry.set({ ...model, versions });
    for (const swap of swaps) swap();
    for (const gone of before.values()) await serving.release(gone);
    const changed = versions.filter((version) => !known.includes(version)).map(({ version }) => version);
    if (changed.length > 0) logger.info({ model: model.name, versions: changed }, 'models on the disk were read');
  }
}

function isSame(a: ModelVersion, b: ModelVersion): boolean {
  return (
    a.weightsPath === b.weightsPath &&
    JSON.stringify([a.manifest.file, a.manifest.labels]) === JSON.stringify([b.manifest.file, b.manifest.labels])
  );
}

/** A text that changes when anything in a folder does: names, sizes, times and the files behind the names. */
async function stateOf(folder: string, depth: number): Promise<string> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const seen = entries.filter(({ name }) => !name.startsWith('.') || name === ALIASES);
  const states = seen.map(async (entry) => {
    const path = join(folder, entry.name);
    const found = await stat(path).catch(() => undefined);
    const own = `${path} ${found?.ino} ${found?.size} ${found?.mtimeMs}`;
    return entry.isDirectory() && depth > 1 ? `${own}\n${await stateOf(path, depth - 1)}` : own;
  });
  return (await Promise.all(states)).sort().join('\n');
}
