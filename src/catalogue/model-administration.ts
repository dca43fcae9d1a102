import { AppError } from '../common/errors.ts';
import type { QuantizedModels } from '../quantizing/quantized-models.ts';
import type { SharedVariants } from '../quantizing/shared-variants.ts';
import type { ArtifactStore } from '../registry/artifact-store.ts';
import type { ModelVersion, Registry } from '../registry/registry.ts';
import type { Repository } from '../registry/repository.ts';
import type { ConversionCache } from '../serving/conversion-cache.ts';

/** Dependencies of `ModelAdministration`. */
export interface AdministrationParts {
  readonly registry: Registry;
  readonly store: Pick<ArtifactStore, 'setAlias' | 'removeAlias' | 'removeVersion'>;
  readonly repository: Pick<Repository, 'refresh'>;
  /** Unloads a version that was removed. */
  readonly release: (model: ModelVersion) => Promise<void>;
  readonly conversions: Pick<ConversionCache, 'remove'>;
  readonly quantized: Pick<QuantizedModels, 'remove'>;
  /** Variants that machines share. */
  readonly variants?: Pick<SharedVariants, 'remove'> | undefined;
}

/** Changes fine-tuned models: sets and removes aliases, removes versions. */
export class ModelAdministration {
  readonly #parts: AdministrationParts;

  constructor(parts: AdministrationParts) {
    this.#parts = parts;
  }

  /**
   * Points an alias to a version: promotion as well as rollback.
   * @throws AppError `model_not_found`, `version_not_found`, `model_read_only`; `model_unavailable` when the version
   * is damaged; `invalid_request` for a name with `@` or an alias that is not valid
   */
  async setAlias(name: string, alias: string, version: number): Promise<void> {
    this.#requireStored(name);
    const damage = this.#parts.registry.find(name)?.damaged[version];
    if (damage !== undefined) {
      throw new AppError('model_unavailable', `version ${version} of model "${name}" cannot be used: ${damage}`);
    }
    await this.#parts.store.setAlias(name, alias, version);
    await this.#parts.repository.refresh(this.#parts.registry, name);
  }

  /** Removes an alias, if there is one. @throws AppError `model_not_found`, `model_read_only`, `invalid_request` */
  async removeAlias(name: string, alias: string): Promise<void> {
    this.#requireStored(name);
    await this.#parts.store.removeAlias(name, alias);
    await this.#parts.repository.refresh(this.#parts.registry, name);
  }

  /**
   * Removes a version, and with the last one the model.
   * @param reference `name@version` with the number, since an alias may have moved in the meantime
   * @throws AppError `model_not_found`, `version_not_found`, `version_in_use`, `model_read_only`, `invalid_request`
   */
  async removeVersion(reference: string): Promise<void> {
    const [name = '', wanted = '', ...rest] = reference.split('@');
    this.#requireStored(name);
    if (!/^[1-9]\d{0,8}$/.test(wanted) || rest.length > 0) {
      throw new AppError('invalid_request', `"${reference}" is no version; give its number, as in "${name}@1"`);
    }
    const version = Number(wanted);
    const served = this.#parts.registry.find(name)?.versions.find((known) => known.version === version);
    await this.#parts.store.removeVersion(name, version);
    await this.#parts.repository.refresh(this.#parts.registry, name);
    if (served === undefined) return;
    await this.#parts.release(served);
    const staying = this.#parts.registry.list().flatMap(({ versions }) => versions);
    await this.#parts.conversions.remove(served, staying);
    await this.#parts.quantized.remove(served, staying);
    await this.#parts.variants?.remove(served, staying);
  }

  /**
   * Removes a fine-tuned model: its aliases, then its versions. What could be removed stays removed after an error.
   * @throws AppError as `removeVersion`
   */
  async removeModel(name: string): Promise<void> {
    this.#requireStored(name);
    const model = this.#parts.registry.get(name);
    const isVersion = (key: string) => /^\d+$/.test(key);
    const damaged = Object.keys(model.damaged);
    const aliases = new Set([...Object.keys(model.aliases), ...damaged.filter((key) => !isVersion(key))]);
    for (const alias of aliases) await this.removeAlias(name, alias);
    const versions = [...model.versions.map(({ version }) => version), ...damaged.filter(isVersion).map(Number)];
    for (const version of versions.sort((a, b) => a - b)) await this.removeVersion(`${name}@${version}`);
  }

  #requireStored(name: string): void {
    const { registry } = this.#parts;
    if (registry.find(name)?.origin === 'store') return;
    if (name.includes('@')) {
      throw new AppError('invalid_request', `"${name}" is a version, but aliases belong to models: leave out the "@"`);
    }
    const { name: known } = registry.get(name);
    throw new AppError(
      'model_read_only',
      `"${known}" belongs to the zoo, which is read-only: only fine-tuned models have aliases and versions to remove`,
    );
  }
}
