import type { JsonObject } from '../common/json.ts';
import type { ModelVersion, Registry } from '../registry/registry.ts';
import type { ModelServing, ServingState } from '../serving/model-serving.ts';

/** Something that is there but cannot be loaded, and why. */
export interface Unloadable {
  /** Of the model, or `name/version`. */
  readonly name: string;
  readonly reason: string;
}

/** What control stands on; `services.ts` puts it together. */
export interface ControlParts {
  readonly registry: Registry;
  readonly serving: Pick<ModelServing, 'load' | 'unload' | 'allow' | 'state'>;
  /** What is not in the registry, although it lies where models do. */
  readonly unloadable: () => readonly Unloadable[];
}

/** Loading and unloading by request: the model repository extension of the Open Inference Protocol. */
export class ModelControl {
  readonly #parts: ControlParts;

  constructor(parts: ControlParts) {
    this.#parts = parts;
  }

  /** Every version there is and where it stands. @param ready whether only those are asked for that are loaded */
  index(ready: boolean): JsonObject[] {
    const { registry, unloadable } = this.#parts;
    const known = registry.list().flatMap(({ versions }) => versions.map((version) => this.#entry(version)));
    const absent = registry.absent().map(({ name }) => ({ name, reason: `not pulled: npm run zoo -- pull ${name}` }));
    const others = [...absent, ...unloadable()].map((entry) => ({ ...entry, state: 'UNAVAILABLE' }));
    return [...known, ...others].filter(({ state }) => !ready || state === 'READY');
  }

  /**
   * Loads the version that a reference stands for, and settles when it is ready. A bare name ends what an unload by that
   * name began, for all versions.
   * @throws AppError `model_not_found`, `model_unavailable` with the reason
   */
  async load(reference: string): Promise<JsonObject> {
    const { registry, serving } = this.#parts;
    const version = registry.resolve(reference);
    if (!reference.includes('@')) for (const each of registry.get(version.name).versions) serving.allow(each);
    await serving.load(version);
    return this.#entry(version);
  }

  /**
   * Unloads a version, or by a bare name all versions of a model, once what is under way is answered. None of them is served
   * until it is loaded by request.
   * @throws AppError `model_not_found`
   */
  async unload(reference: string): Promise<JsonObject> {
    const { registry, serving } = this.#parts;
    const version = registry.resolve(reference);
    const versions = reference.includes('@') ? [version] : registry.get(version.name).versions;
    await Promise.all(versions.map((each) => serving.unload(each)));
    return this.#entry(version);
  }

  /** Whether a request to the model would be answered without a wait for its load. @throws AppError `model_not_found` */
  state(reference: string): ServingState {
    return this.#parts.serving.state(this.#parts.registry.resolve(reference));
  }

  #entry(version: ModelVersion): JsonObject {
    const { state, reason } = this.#parts.serving.state(version);
    return { name: version.name, version: String(version.version), state, reason };
  }
}
