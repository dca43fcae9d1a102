import { readFile } from 'node:fs/promises';
import { messageOf } from '../common/errors.ts';
import type { ArtifactStore, StoredModel } from './artifact-store.ts';
import { parseManifest } from './manifest.ts';
import type { AbsentModel, ModelVersion, RegisteredModel } from './registry.ts';
import { MANIFEST_FILE, type NamedLabels, readNamedLabels, readZoo } from './zoo.ts';

/** Something that is not served, and why. */
interface RepositoryProblem {
  /** A folder of the zoo, or `name/version` of the store. */
  readonly where: string;
  readonly reason: string;
}

/** What is there to be served. */
export interface RepositoryListing {
  readonly models: readonly RegisteredModel[];
  /** Models of the zoo whose weights are not here. */
  readonly absent: readonly AbsentModel[];
  readonly problems: readonly RepositoryProblem[];
}

/**
 * Everything that can be served, out of two places: the zoo, which has one version of each model, and the store of what was made here. A broken model or version costs itself alone.
 */
export class Repository {
  readonly #zooDir: string;
  readonly #store: ArtifactStore;
  readonly #pulledDir: string | undefined;

  /** @param pulledDir what was pulled and imported; see `readZoo` */
  constructor(zooDir: string, store: ArtifactStore, pulledDir?: string) {
    this.#zooDir = zooDir;
    this.#pulledDir = pulledDir;
    this.#store = store;
  }

  async list(): Promise<RepositoryListing> {
    const zoo = await readZoo(this.#zooDir, this.#pulledDir);
    const labels = await readNamedLabels(this.#zooDir);
    const stored = await Promise.all((await this.#store.list()).map((model) => this.#read(model, labels)));
    return {
      models: [
        ...zoo.models.map((model) => ({ name: model.name, versions: [model], aliases: {} })),
        ...stored.flatMap(({ models }) => models),
      ],
      absent: zoo.absent,
      problems: [
        ...zoo.problems.map(({ folder, reason }) => ({ where: folder, reason })),
        ...stored.flatMap(({ problems }) => problems),
      ],
    };
  }

  /**
   * One model of the store, as it is now: after a version was put or removed, or an alias moved. No model when none of
   * its versions can be served. @throws AppError `model_not_found`
   */
  async readStored(name: string): Promise<RepositoryListing> {
    return this.#read(await this.#store.get(name), await readNamedLabels(this.#zooDir));
  }

  async #read({ name, versions, aliases }: StoredModel, labels: NamedLabels): Promise<RepositoryListing> {
    const sound: ModelVersion[] = [];
    const problems: RepositoryProblem[] = [];
    for (const version of versions) {
      try {
        sound.push(await this.#readVersion(name, version, labels));
      } catch (thrown) {
        problems.push({ where: `${name}/${version}`, reason: messageOf(thrown) });
      }
    }
    return { models: sound.length === 0 ? [] : [{ name, versions: sound, aliases }], absent: [], problems };
  }

  async #readVersion(name: string, version: number, labels: NamedLabels): Promise<ModelVersion> {
    const text = await readFile(await this.#store.localFile(name, version, MANIFEST_FILE), 'utf8');
    const manifest = parseManifest(text, labels);
    if (manifest.name !== name) throw new Error(`name: "${manifest.name}", but the store has it as "${name}"`);
    const weightsPath = await this.#store.localFile(name, version, manifest.file.weights.file);
    return { name, version, manifest, weightsPath };
  }
}
