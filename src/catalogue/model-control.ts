import type { ModelVersion, Registry } from '../registry/registry.ts';
import type { ModelServing, ServingState } from '../serving/model-serving.ts';

/** A model, version or alias that cannot be loaded, and why. */
export interface Unloadable {
  /** `name`, `name/version` or `name/alias`. */
  readonly name: string;
  readonly reason: string;
}

/** A version, or what cannot be loaded, and its state. */
export interface IndexEntry extends ServingState {
  readonly name: string;
  /** Absent for what cannot be loaded. */
  readonly version?: string;
}

/** Dependencies of `ModelControl`. */
export interface ControlParts {
  readonly registry: Registry;
  readonly serving: Pick<ModelServing, 'load' | 'unload' | 'allow' | 'state'>;
  /** Damaged models, versions and aliases. */
  readonly unloadable: () => readonly Unloadable[];
}

/** Loads and unloads models by request: the model repository extension of the Open Inference Protocol. */
export class ModelControl {
  readonly #parts: ControlParts;

  constructor(parts: ControlParts) {
    this.#parts = parts;
  }

  /** All versions and their states. @param ready lists only those that are loaded */
  index(ready: boolean): IndexEntry[] {
    const { registry, unloadable } = this.#parts;
    const known = registry.list().flatMap(({ versions }) => versions.map((version) => this.#entry(version)));
    const absent = registry.absent().map(({ name }) => ({ name, reason: `not pulled: npx menagerie pull ${name}` }));
    const others = [...absent, ...unloadable()].map((entry) => ({ ...entry, state: 'UNAVAILABLE' as const }));
    return [...known, ...others].filter(({ state }) => !ready || state === 'READY');
  }

  /**
   * Loads the version that a reference means, and settles when it is ready. A bare name also reverses an unload of all
   * versions.
   * @throws AppError as `Registry.resolve`; `model_unavailable` with the reason
   */
  async load(reference: string): Promise<IndexEntry> {
    const { registry, serving } = this.#parts;
    const version = registry.resolve(reference);
    if (!reference.includes('@')) for (const each of registry.get(version.name).versions) serving.allow(each);
    await serving.load(version);
    return this.#entry(version);
  }

  /**
   * Unloads a version, or with a bare name all versions of a model, when its requests in flight are answered. It is
   * not served until it is loaded by request.
   * @throws AppError as `Registry.resolve`
   */
  async unload(reference: string): Promise<IndexEntry> {
    const { registry, serving } = this.#parts;
    const version = registry.resolve(reference);
    const versions = reference.includes('@') ? [version] : registry.get(version.name).versions;
    await Promise.all(versions.map((each) => serving.unload(each)));
    return this.#entry(version);
  }

  /**
   * Whether a request to the model would be answered without loading it first. @throws AppError as `Registry.resolve`
   */
  state(reference: string): ServingState {
    return this.#parts.serving.state(this.#parts.registry.resolve(reference));
  }

  #entry(version: ModelVersion): IndexEntry {
    const { state, reason } = this.#parts.serving.state(version);
    return { name: version.name, version: String(version.version), state, reason };
  }
}
