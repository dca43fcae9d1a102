import { readFile } from 'node:fs/promises';
import { AppError } from '../common/errors.ts';
import { messageWithoutPath } from '../common/storage-error.ts';
import { type ArtifactStore, isStoredName, type StoredModel } from './artifact-store.ts';
import type { AbsentModel, ModelVersion, RegisteredModel, Registry } from './registry.ts';
import { parseManifest } from './resolve-manifest.ts';
import { isInZoo, MANIFEST_FILE, type NamedLabels, readNamedLabels, readZoo } from './zoo.ts';

/** A version or alias that cannot be used, and why. */
interface RepositoryProblem {
  /** A model of the zoo, or `name/version` or `name/alias` of the store. */
  readonly where: string;
  readonly reason: string;
}

/** All models on this machine. */
export interface RepositoryListing {
  /** Damaged ones are among them. */
  readonly models: readonly RegisteredModel[];
  /** Models of the zoo whose weights have not been pulled. */
  readonly absent: readonly AbsentModel[];
  /** Everything that is damaged. */
  readonly problems: readonly RepositoryProblem[];
}

/**
 * Reads the models from two places: the zoo, with one version of each model, and the store of fine-tuned models. What
 * is damaged affects its own version or alias alone.
 */
export class Repository {
  readonly #zooDir: string;
  readonly #store: ArtifactStore;
  readonly #pulledDir: string | undefined;
  /** Versions of the store as they were last read, by name and number, with the text of their manifest. */
  readonly #known = new Map<string, { readonly text: string; readonly model: ModelVersion }>();

  /** @param pulledDir pulled and imported models, as in `readZoo` */
  constructor(zooDir: string, store: ArtifactStore, pulledDir?: string) {
    this.#zooDir = zooDir;
    this.#pulledDir = pulledDir;
    this.#store = store;
  }

  /** @param revision as in `ArtifactStore.list` */
  async list(revision?: string): Promise<RepositoryListing> {
    const zoo = await readZoo(this.#zooDir, this.#pulledDir);
    const labels = await readNamedLabels(this.#zooDir);
    const listed = await this.#store.list(revision);
    const stored = await Promise.all(listed.map((model) => this.#read(model, labels)));
    const there = new Set(listed.flatMap(({ name, versions }) => versions.map((version) => `${name}/${version}`)));
    for (const key of this.#known.keys()) if (!there.has(key)) this.#known.delete(key);
    const models = new Map<string, RegisteredModel>();
    for (const model of zoo.models) models.set(model.name, zooModel(model.name, [model]));
    for (const { folder, reason } of zoo.problems) models.set(folder, zooModel(folder, [], reason));
    for (const model of stored) {
      const isTaken = models.has(model.name) || zoo.absent.some(({ name }) => name === model.name);
      models.set(model.name, isTaken ? ambiguous(model) : model);
    }
    const all = [...models.values()];
    return {
      models: all,
      absent: zoo.absent.filter(({ name }) => !models.has(name)),
      problems: all.flatMap(problemsOf),
    };
  }

  /** Updates a model of the store in a registry, after its versions or aliases have changed. */
  refresh(registry: Registry, name: string): Promise<void> {
    return registry.changes.run(async () => {
      try {
        const model = await this.#read(await this.#store.get(name), await readNamedLabels(this.#zooDir));
        registry.set((await isInZoo(name, this.#zooDir, this.#pulledDir)) ? ambiguous(model) : model);
      } catch (thrown) {
        if (!(thrown instanceof AppError) || thrown.code !== 'model_not_found') throw thrown;
        registry.delete(name);
      }
    });
  }

  /**
   * Finds the version that a reference means. The store is asked for one that the registry does not know: another machine
   * may just have published it.
   * @throws AppError as `Registry.resolve`; when the store cannot be asked
   */
  async resolve(registry: Registry, reference: string): Promise<ModelVersion> {
    try {
      return registry.resolve(reference);
    } catch (thrown) {
      const [name = ''] = reference.split('@');
      const mayBeNew = isStoredName(name) && registry.find(name)?.origin !== 'zoo';
      if (!(thrown instanceof AppError) || thrown.code !== 'model_not_found' || !mayBeNew) throw thrown;
      await this.refresh(registry, name);
    }
    return registry.resolve(reference);
  }

  async #read(
    { name, versions, aliases, damagedAliases, damage }: StoredModel,
    labels: NamedLabels,
  ): Promise<RegisteredModel> {
    const sound: ModelVersion[] = [];
    const damaged: [string, string][] = Object.entries(damagedAliases);
    // Its versions are not known: the first stands for all.
    if (damage !== undefined) damaged.push(['1', damage]);
    for (const [alias, version] of Object.entries(aliases)) {
      if (!versions.includes(version)) damaged.push([alias, `it points to version ${version}, which does not exist`]);
    }
    for (const version of versions) {
      try {
        sound.push(await this.#readVersion(name, version, labels));
      } catch (thrown) {
        damaged.push([String(version), messageWithoutPath(thrown)]);
      }
    }
    return { name, origin: 'store', versions: sound, aliases, damaged: Object.fromEntries(damaged) };
  }

  /** A version whose manifest has not changed is not parsed again, and is the same object. */
  async #readVersion(name: string, version: number, labels: NamedLabels): Promise<ModelVersion> {
    const key = `${name}/${version}`;
    const text = await readFile(await this.#store.localFile(name, version, MANIFEST_FILE), 'utf8');
    const known = this.#known.get(key);
    const model = known?.text === text ? known.model : this.#parse(name, version, text, labels);
    const { weights, novelty, labels: named } = model.manifest.file;
    await this.#store.expectFile(name, version, weights.file);
    if (novelty !== undefined) await this.#store.expectFile(name, version, novelty.file);
    // Labels that it only names may change.
    if (typeof named !== 'string') this.#known.set(key, { text, model });
    return model;
  }

  #parse(name: string, version: number, text: string, labels: NamedLabels): ModelVersion {
    const store = this.#store;
    const manifest = parseManifest(text, labels);
    if (manifest.name !== name) throw new Error(`name: "${manifest.name}", but in the store it is "${name}"`);
    const { weights, novelty } = manifest.file;
    const files = async () => ({
      weightsPath: await store.localFile(name, version, weights.file),
      ...(novelty && { noveltyPath: await store.localFile(name, version, novelty.file) }),
    });
    return { name, version, manifest, files };
  }
}

function zooModel(name: string, versions: ModelVersion[], damage?: string): RegisteredModel {
  return { name, origin: 'zoo', versions, aliases: {}, damaged: damage === undefined ? {} : { 1: damage } };
}

/** A name that two models have means neither of them. */
function ambiguous({ name, versions, damaged }: RegisteredModel): RegisteredModel {
  const reason = 'the zoo has a model of the same name; remove one of the two';
  const numbers = [1, ...versions.map(({ version }) => version), ...Object.keys(damaged)];
  return {
    name,
    origin: 'store',
    versions: [],
    aliases: {},
    damaged: Object.fromEntries(numbers.map((number) => [number, reason])),
  };
}

function problemsOf({ name, origin, damaged }: RegisteredModel): RepositoryProblem[] {
  return Object.entries(damaged).map(([key, reason]) => ({
    where: origin === 'zoo' ? name : `${name}/${key}`,
    reason,
  }));
}
