import { join } from 'node:path';
import { createLogger } from '../common/logger.ts';
import type { Config } from '../config.ts';
import { openArtifactStore } from '../registry/open-artifact-store.ts';
import { type ModelVersion, Registry } from '../registry/registry.ts';
import { Repository, type RepositoryListing } from '../registry/repository.ts';
import { ConversionCache } from '../serving/conversion-cache.ts';

/** The models of a server on the same folder. */
export interface InstalledModels {
  /** Folder of the pulled and imported models. */
  readonly pulledDir: string;
  readonly listing: RepositoryListing;
  readonly conversions: ConversionCache;
}

/** Reads the models without the services that compute. Files of a bucket that are not here cannot be fetched. */
export function readInstalledModels(config: Config): Promise<InstalledModels> {
  return withInstalledModels(config, async (installed) => installed);
}

/** Reads the models, whose files can be used while `work` runs. */
export async function withInstalledModels<T>(
  config: Config,
  work: (installed: InstalledModels) => Promise<T>,
): Promise<T> {
  const { dataDir, zooDir } = config;
  const logger = createLogger('fatal', process.stderr);
  const pulledDir = join(dataDir, 'zoo');
  const { store, close } = await openArtifactStore(config, logger);
  try {
    const listing = await new Repository(zooDir, store, pulledDir).list();
    const conversions = new ConversionCache(join(dataDir, 'converted'), logger);
    return await work({ pulledDir, listing, conversions });
  } finally {
    close();
  }
}

/** The models of a listing, to be found by name. */
export function registryOf({ models, absent }: RepositoryListing): Registry {
  const registry = new Registry();
  for (const model of models) registry.set(model);
  for (const model of absent) registry.setAbsent(model);
  return registry;
}

/**
 * The newest version of each named model, or of all models if none is named.
 *
 * @throws AppError `model_not_found`, `model_not_pulled`; Error when the model is broken
 */
export function chosenModels({ listing }: InstalledModels, names: readonly string[]): ModelVersion[] {
  if (names.length === 0) return listing.models.flatMap(({ versions }) => versions.at(-1) ?? []);
  const registry = registryOf(listing);
  return names.map((typed) => {
    const { name, versions } = registry.get(typed);
    const newest = versions.at(-1);
    if (newest !== undefined) return newest;
    const problem = listing.problems.find(({ where }) => where === name || where.startsWith(`${name}/`));
    throw new Error(`${problem?.where ?? name} is broken: ${problem?.reason ?? 'it has no version'}`);
  });
}
