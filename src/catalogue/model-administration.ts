import { AppError } from '../common/errors.ts';
import { type ArtifactStore, isStoredName } from '../registry/artifact-store.ts';
import type { ModelVersion, Registry } from '../registry/registry.ts';
import type { ConversionCache } from '../serving/conversion.ts';

/** What administration stands on; `server.ts` puts it together. */
export interface AdministrationParts {
  readonly registry: Registry;
  readonly store: ArtifactStore;
  /** Reads a model of the store again, so that a change serves at once. */
  readonly refresh: (name: string) => Promise<void>;
  /** Frees what serves a version. */
  readonly release: (model: ModelVersion) => Promise<void>;
  readonly conversions: Pick<ConversionCache, 'remove'>;
}

/** Changes to the fine-tuned models: which version an alias stands for, and which versions there are. */
export class ModelAdministration {
  readonly #parts: AdministrationParts;

  constructor(parts: AdministrationParts) {
    this.#parts = parts;
  }

  /**
   * Points an alias at a version: promotion as well as rollback.
   * @throws AppError `model_not_found`, `version_not_found`, `model_read_only`; `invalid_request` for a name with `@` or
   * an alias that cannot be one
   */
  async setAlias(name: string, alias: string, version: number): Promise<void> {
    this.#requireStored(name);
    await this.#parts.store.setAlias(name, alias, version);
    await this.#parts.refresh(name);
  }

  /** Removes an alias, if it is there. @throws AppError as `setAlias` */
  async removeAlias(name: string, alias: string): Promise<void> {
    this.#requireStored(name);
    await this.#parts.store.removeAlias(name, alias);
    await this.#parts.refresh(name);
  }

  /**
   * Removes a version, and with the last one the model.
   * @param reference `name@version`, with the number: an alias may point elsewhere by the time it is looked at
   * @throws AppError `model_not_found`, `version_not_found`, `version_in_use`, `model_read_only`, `invalid_request`
   */
  async removeVersion(reference: string): Promise<void> {
    const [name = '', wanted = '', ...rest] = reference.split('@');
    this.#requireStored(name);
    if (!/^[1-9]\d{0,8}$/.test(wanted) || rest.length > 0) {
      throw new AppError('invalid_request', `"${reference}" names no version; write its number, as in "${name}@1"`);
    }
    const version = Number(wanted);
    const served = this.#parts.registry.find(name)?.versions.find((known) => known.version === version);
    await this.#parts.store.removeVersion(name, version);
    await this.#parts.refresh(name);
    if (served === undefined) return;
    await this.#parts.release(served);
    const staying = this.#parts.registry.list().flatMap(({ versions }) => versions);
    await this.#parts.conversions.remove(served, staying);
  }

  #requireStored(name: string): void {
    if (isStoredName(name)) return;
    if (name.includes('@')) {
      throw new AppError(
        'invalid_request',
        `"${name}" names a version; aliases belong to the model: leave out the "@"`,
      );
    }
    const { name: known } = this.#parts.registry.get(name);
    throw new AppError(
      'model_read_only',
      `"${known}" belongs to the zoo, which is read-only: only fine-tuned models have aliases and versions to remove`,
    );
  }
}
