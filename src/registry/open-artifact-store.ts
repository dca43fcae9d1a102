import { join } from 'node:path';
import type { Logger } from '../common/logger.ts';
import type { ArtifactStore } from './artifact-store.ts';
import { FileArtifactStore } from './file-artifact-store.ts';
import { parseStoreLocation } from './s3/store-location.ts';

/** Settings that say where the fine-tuned models are. */
export interface ArtifactStoreSettings {
  readonly dataDir: string;
  /** `s3://bucket/prefix`; empty for a folder of `dataDir`. */
  readonly artifactStore: string;
  readonly artifactCacheBytes: number;
  readonly s3Endpoint: string | undefined;
}

/** A store, and what its owner must know of it. */
export interface OpenedArtifactStore {
  readonly store: ArtifactStore;
  /** The folder that shows changes; absent for a store elsewhere, which has `revision` instead. */
  readonly folder?: string;
  /** A text that changes when the models of the store do. @throws AppError `storage_unavailable` */
  readonly revision?: () => Promise<string>;
  /** Whether a store elsewhere answers; absent for a folder. */
  readonly isUp?: () => boolean;
  /** What is wrong with the store, for health checks. */
  readonly warnings: () => string[];
  /** Ends its requests. */
  readonly close: () => void;
}

/**
 * Opens the store that the settings name.
 * @param onChange called when this process has changed something in a store that other machines use too
 * @throws Error when it cannot be used, or its client is not installed
 */
export async function openArtifactStore(
  { dataDir, artifactStore, artifactCacheBytes, s3Endpoint }: ArtifactStoreSettings,
  logger: Logger,
  onChange: () => void = () => {},
): Promise<OpenedArtifactStore> {
  const location = parseStoreLocation(artifactStore);
  if (location === undefined) {
    const folder = join(dataDir, 'models');
    return { store: await FileArtifactStore.open(folder, logger), folder, warnings: () => [], close: () => {} };
  }
  const { S3ArtifactStore } = await import('./s3/s3-artifact-store.ts');
  const store = await S3ArtifactStore.open({
    ...location,
    ...(s3Endpoint !== undefined && { endpoint: s3Endpoint }),
    cacheFolder: join(dataDir, 'artifacts'),
    cacheBytes: artifactCacheBytes,
    logger,
    onChange,
  });
  return {
    store,
    revision: () => store.revision(),
    isUp: () => store.isUp,
    warnings: () => store.warnings,
    close: () => store.close(),
  };
}
