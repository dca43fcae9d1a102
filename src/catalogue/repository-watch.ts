import { type FSWatcher, watch } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../common/durable-files.ts';
import { messageOf } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import type { RedisLink } from '../jobs/redis/redis-link.ts';
import type { SharedVariants } from '../quantizing/shared-variants.ts';
import { type ModelVersion, type RegisteredModel, type Registry, servingVersion } from '../registry/registry.ts';
import type { Repository, RepositoryListing } from '../registry/repository.ts';
import type { ModelServing } from '../serving/model-serving.ts';

/**
 * Milliseconds between scans of the folders and of a store elsewhere: some disks send no notifications, and none are sent
 * for subfolders. A change in a store is to be seen within two seconds: four requests have the other one, that of the scan
 * which has just missed it, and those of the next.
 */
const SCAN_INTERVAL_MS = 1_000;
/** Notifications come in bursts; one scan is enough for all of them. */
const NOTIFICATION_DELAY_MS = 100;
/** Levels of folders that are scanned: models, versions, and their files or aliases. */
const DEPTH = 3;
/** The only hidden folder that is scanned; others hold what is being written. */
const ALIASES = '.aliases';

/** Dependencies of `RepositoryWatch`. */
export interface WatchParts {
  /** Folders of models: `DATA_DIR/zoo`, and `DATA_DIR/models` where the store is a folder. */
  readonly folders: readonly string[];
  /** A text that changes when a store does that is not a folder. */
  readonly revision?: () => Promise<string>;
  /** Has other machines that use the store tell of their changes, which are then seen at once. */
  readonly announcements?: Pick<RedisLink, 'listen'> | undefined;
  /** Milliseconds between scans; tests of announcements wait for none. */
  readonly scanIntervalMs?: number;
  readonly repository: Pick<Repository, 'list'>;
  /** Variants in the store, which are copied in the background when it has changed. */
  readonly variants?: Pick<SharedVariants, 'copy'> | undefined;
  readonly registry: Registry;
  readonly serving: Pick<ModelServing, 'prepare' | 'release' | 'state' | 'use'>;
  readonly logger: Logger;
}

/**
 * Keeps the registry up to date with the disk and the store: models that appear are served, those that change are
 * replaced, those that disappear are forgotten. Writers rename complete files and folders into place, so nothing is
 * read half-written. A change in a store that is not a folder is seen when it is announced, else by the next scan; as long
 * as the store does not answer, everything stays as it was.
 */
export class RepositoryWatch {
  readonly #parts: WatchParts;
  #problems: RepositoryListing['problems'] = [];
  /** State of the folders when they were last read. */
  #seen: string | undefined;
  #watchers: readonly FSWatcher[] = [];
  #timer: NodeJS.Timeout | undefined;
  #scanning: Promise<void> | undefined;
  /** Whether something has changed since the scan that runs has begun. */
  #isOutdated = false;
  /** Why the last scan failed. */
  #failure: string | undefined;
  #closed = false;

  constructor(parts: WatchParts) {
    this.#parts = parts;
  }

  /** Versions and aliases that cannot be used. */
  get problems(): RepositoryListing['problems'] {
    return this.#problems;
  }

  /** Reads the folders if anything in them has changed since they were last read. */
  async scan(): Promise<void> {
    // Taken before the folders are read, so that later changes are found by the next scan.
    const [revision, ...folders] = await Promise.all([
      this.#parts.revision?.(),
      ...this.#parts.folders.map((folder) => stateOf(folder, DEPTH)),
    ]);
    const state = [...folders, revision].join('\n');
    if (state === this.#seen) return;
    await this.#parts.registry.changes.run(() => this.#read(revision));
    this.#seen = state;
  }

  /** Scans repeatedly from now on. */
  async start(): Promise<void> {
    // Only a folder that exists can be watched.
    for (const folder of this.#parts.folders) await makeFolder(folder).catch(() => undefined);
    if (this.#closed) return;
    this.#watchers = this.#parts.folders.flatMap((folder) => {
      try {
        const watcher = watch(folder, { persistent: false }, () => this.#onChange(NOTIFICATION_DELAY_MS));
        watcher.on('error', () => watcher.close());
        return watcher;
      } catch {
        // The system has no more notifications to give: the regular scans must do.
        return [];
      }
    });
    this.#parts.announcements?.listen(() => this.#onChange(0));
    this.#plan(this.#interval);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const watcher of this.#watchers) watcher.close();
    await this.#scanning;
  }

  get #interval(): number {
    return this.#parts.scanIntervalMs ?? SCAN_INTERVAL_MS;
  }

  /** Plans a scan. One that runs may have looked before the change, so another one follows it. */
  #onChange(delayMs: number): void {
    if (this.#scanning === undefined) this.#plan(delayMs);
    else this.#isOutdated = true;
  }

  #plan(delayMs: number): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.#scanAndPlan(), delayMs);
    this.#timer.unref();
  }

  async #scanAndPlan(): Promise<void> {
    this.#isOutdated = false;
    this.#scanning = this.scan().then(
      () => this.#fail(undefined),
      (thrown: unknown) => this.#fail(messageOf(thrown)),
    );
    await this.#scanning;
    this.#scanning = undefined;
    this.#plan(this.#isOutdated ? 0 : this.#interval);
  }

  /** Logs why scans fail once, not with each of them. The last one fails because the store is closed. */
  #fail(reason: string | undefined): void {
    if (this.#closed) return;
    if (reason !== undefined && reason !== this.#failure) {
      this.#parts.logger.error({ reason }, 'the models cannot be read');
    }
    this.#failure = reason;
  }

  /** @param revision of the store, as it has just said */
  async #read(revision: string | undefined): Promise<void> {
    const { repository, registry, serving, logger } = this.#parts;
    const { models, absent, problems } = await repository.list(revision);
    const broken = [...problems];
    for (const model of models) {
      try {
        await this.#adopt(model);
      } catch (thrown) {
        // The old version continues to serve.
        broken.push({ where: model.name, reason: messageOf(thrown) });
      }
    }
    const names = new Set(models.map(({ name }) => name));
    const gone = registry.list().filter(({ name }) => !names.has(name));
    for (const { name } of gone) registry.delete(name);
    for (const model of absent) registry.setAbsent(model);
    for (const version of gone.flatMap(({ versions }) => versions)) void serving.release(version);
    for (const { where, reason } of broken) {
      const isNew = !this.#problems.some((known) => known.where === where && known.reason === reason);
      if (isNew) logger.error({ where, reason }, 'a model is damaged');
    }
    this.#problems = broken;
    void this.#parts.variants?.copy();
  }

  /** Registers the current state of a model. A loaded version is replaced after its successor has been loaded. */
  async #adopt(model: RegisteredModel): Promise<void> {
    const { registry, serving, logger } = this.#parts;
    const registered = registry.find(model.name);
    const known = registered?.versions ?? [];
    // A manifest of the zoo that was broken by an edit does not end the model that was read before.
    if (model.origin === 'zoo' && model.versions.length === 0 && known.length > 0) return;
    const before = new Map(known.map((version) => [version.version, version]));
    const versions: ModelVersion[] = [];
    const swaps: (() => void)[] = [];
    for (const version of model.versions) {
      const old = before.get(version.version);
      before.delete(version.version);
      // The same version stays the same object, by which others know it.
      if (old !== undefined && registered?.origin === model.origin && isSame(old, version)) versions.push(old);
      else {
        versions.push(version);
        if (old !== undefined) swaps.push(await serving.prepare(version));
      }
    }
    registry.set({ ...model, versions });
    for (const swap of swaps) swap();
    if (registered !== undefined) this.#loadAhead(registered, { ...model, versions });
    // What else has changed does not wait for the requests that still use it.
    for (const gone of before.values()) void serving.release(gone);
    const changed = versions.filter((version) => !known.includes(version)).map(({ version }) => version);
    if (changed.length > 0) logger.info({ model: model.name, versions: changed }, 'a model was read');
  }

  /**
   * Loads the version that a bare name has come to mean where the one is loaded that it meant before: requests for it are
   * coming, and the first of them would wait until it is fetched and converted.
   */
  #loadAhead(before: RegisteredModel, after: RegisteredModel): void {
    const { serving, logger } = this.#parts;
    const [old, next] = [servingVersion(before), servingVersion(after)];
    if (old === undefined || next === undefined || old.version === next.version) return;
    if (serving.state(old).state !== 'READY') return;
    serving
      .use(next, 'onnx', async () => undefined)
      .catch((thrown: unknown) => {
        if (this.#closed) return;
        logger.warn(
          { model: next.name, version: next.version, reason: messageOf(thrown) },
          'a version could not be loaded ahead of requests for it',
        );
      });
  }
}

/** Whether two versions have the same manifest, which names their files by digest. */
function isSame(a: ModelVersion, b: ModelVersion): boolean {
  if (a === b) return true;
  return JSON.stringify([a.manifest.file, a.manifest.labels]) === JSON.stringify([b.manifest.file, b.manifest.labels]);
}

/** A text that changes with the folder: it has the names, inodes, sizes and times of everything in it. */
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
