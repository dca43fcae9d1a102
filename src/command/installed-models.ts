import { join } from 'node:path';
import { createLogger } from '../common/logger.ts';
import type { Config } from '../config.ts';
import { FileArtifactStore } from '../registry/file-artifact-store.ts';
import type { ModelVersion } from '../registry/registry.ts';
import { Repository, type RepositoryListing } from '../registry/repository.ts';
import { ConversionCache } from '../serving/conversion-cache.ts';

/** The models of a server on the same folder. */
export interface InstalledModels {
  /** Folder of the pulled and imported models. */
  readonly pulledDir: string;
  readonly listing: RepositoryListing;
  readonly conversions: ConversionCache;
}

/** Reads the models without the services that compute. */
export async function readInstalledModels({ dataDir, zooDir }: Config): Promise<InstalledModels> {
  const logger = createLogger('fatal', process.stderr);
  const pulledDir = join(dataDir, 'zoo');
  const store = await FileArtifactStore.open(join(dataDir, 'models'), logger);
  const listing = await new Repository(zooDir, store, pulledDir).list();
  const conversions = new ConversionCache(join(dataDir, 'converted'), logger);
  return { pulledDir, listing, conversions };
}

/**
 * The newest version of each named model, or of all models if none is named.
 *
 * @throws Error when there is no such model, it is broken or not pulled
 */
export function chosenModels({ listing }: InstalledModels, names: readonly string[]): ModelVersion[] {
  const newest = listing.models.flatMap(({ versions }) => versions.at(-1) ?? []);
  if (names.length === 0) return newest;
  return names.map((name) => {
    const model = newest.find((each) => each.name === name);
    if (model !== undefined) return model;
    const problem = listing.problems.find(({ where }) => where === name || where.startsWith(`${name}/`));
    if (problem !== undefined) throw new Error(`${problem.where} is broken: ${problem.reason}`);
    if (listing.absent.some((each) => each.name === name)) {
      throw new Error(`${name} has not been pulled: npx menagerie pull ${name}`);
    }
    throw new Error(`there is no model ${name}; npx menagerie list shows all models`);
  });
}
