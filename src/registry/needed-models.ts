import { existsSync } from 'node:fs';
import { AppError, type ErrorCode } from '../common/errors.ts';
import { type ArtifactStore, isStoredName } from './artifact-store.ts';
import type { ModelVersion, Registry } from './registry.ts';

/** A model that work needs until it ends. */
interface NeededModel extends Pick<ModelVersion, 'name' | 'version'> {
  /** What it is for, such as `backbone`. */
  readonly role: string;
}

/** What knows the models that are there. */
interface ModelPlaces {
  readonly registry: Pick<Registry, 'find'>;
  readonly store: Pick<ArtifactStore, 'get'>;
}

/** Errors to which the removal of a model can lead, depending on what its files are needed for at that moment. */
const SYMPTOMS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'internal',
  'model_not_found',
  'model_unavailable',
  'version_not_found',
]);

/**
 * Does work that needs models, any of which may be removed meanwhile.
 * @throws AppError `model_not_found` that names the removed model, where the work fails and that may be the reason; else
 * what `work` throws
 */
export async function withNeededModels<T>(
  places: ModelPlaces,
  needed: readonly NeededModel[],
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (thrown instanceof AppError && !SYMPTOMS.has(thrown.code)) throw thrown;
    for (const { role, name, version } of needed) {
      if (await isRemoved(places, name, version)) {
        throw modelRemoved(role, isStoredName(name) ? `${name}@${version}` : name, thrown);
      }
    }
    throw thrown;
  }
}

/**
 * The error for a model that was there when work with it was asked for.
 * @param role what it was needed for, such as `backbone`
 */
export function modelRemoved(role: string, reference: string, cause: unknown): AppError {
  const [name = ''] = reference.split('@');
  const remedy = isStoredName(name) ? '' : ', or pull or import this one again first';
  return new AppError(
    'model_not_found',
    `the ${role} "${reference}" was removed while it was needed: send the request again with another ${role}${remedy}`,
    { cause },
  );
}

/** The registry may not know yet; a store or disk that cannot be asked says nothing. */
async function isRemoved({ registry, store }: ModelPlaces, name: string, version: number): Promise<boolean> {
  const known = registry.find(name);
  if (known?.origin === 'zoo') {
    const files = await known.versions[0]?.files();
    return files !== undefined && !existsSync(files.weightsPath);
  }
  try {
    return !(await store.get(name)).versions.includes(version);
  } catch (thrown) {
    return thrown instanceof AppError && thrown.code === 'model_not_found';
  }
}
