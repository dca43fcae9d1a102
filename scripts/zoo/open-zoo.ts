import { join } from 'node:path';
import { createLogger } from '../../src/common/logger.ts';
import { type Config, readConfig } from '../../src/config.ts';
import { FileArtifactStore } from '../../src/registry/file-artifact-store.ts';
import type { ModelVersion } from '../../src/registry/registry.ts';
import { Repository, type RepositoryListing } from '../../src/registry/repository.ts';
import { ConversionCache } from '../../src/serving/conversion-cache.ts';
import { UsageError } from '../command-line.ts';

/** The models of a server in the same environment. */
export interface OpenZoo {
  readonly config: Config;
  /** Folder of the pulled and imported models. */
  readonly pulledDir: string;
  readonly listing: RepositoryListing;
  readonly conversions: ConversionCache;
}

/** Reads the models without starting a server. */
export async function openZoo(): Promise<OpenZoo> {
  const config = readConfig(process.env);
  const logger = createLogger('error');
  const pulledDir = join(config.dataDir, 'zoo');
  const store = await FileArtifactStore.open(join(config.dataDir, 'models'), logger);
  const listing = await new Repository(config.zooDir, store, pulledDir).list();
  const conversions = new ConversionCache(join(config.dataDir, 'converted'), logger);
  return { config, pulledDir, listing, conversions };
}

/**
 * The newest version of each named model, or of all models if none is named.
 *
 * @throws UsageError when there is no such model; Error when it is broken or not pulled
 */
export function chosenModels({ listing }: OpenZoo, names: readonly string[]): ModelVersion[] {
  const newest = listing.models.flatMap(({ versions }) => versions.at(-1) ?? []);
  if (names.length === 0) return newest;
  return names.map((name) => {
    const model = newest.find((each) => each.name === name);
    if (model !== undefined) return model;
    const problem = listing.problems.find(({ where }) => where === name || where.startsWith(`${name}/`));
    if (problem !== undefined) throw new Error(`${problem.where} is broken: ${problem.reason}`);
    if (listing.absent.some((each) => each.name === name)) {
      throw new Error(`${name} has not been pulled: npm run zoo -- pull ${name}`);
    }
    throw new UsageError(`there is no model ${name}; npm run zoo -- list shows all models`);
  });
}
