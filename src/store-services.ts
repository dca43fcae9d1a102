/** Composition of the store of models, and of what machines share that have one in a bucket: a part of `services.ts`. */
import type { WatchParts } from './catalogue/repository-watch.ts';
import { closingOnFailure } from './common/closers.ts';
import type { Logger } from './common/logger.ts';
import type { Config } from './config.ts';
import { RedisLink } from './jobs/redis/redis-link.ts';
import type { DependencyState } from './metrics/metrics.ts';
import { SharedVariants, type SharedVariantsParts } from './quantizing/shared-variants.ts';
import type { ArtifactStore } from './registry/artifact-store.ts';
import { openArtifactStore } from './registry/open-artifact-store.ts';
import { type BucketOptions, S3Bucket } from './registry/s3/bucket.ts';
import { parseStoreLocation } from './registry/s3/store-location.ts';

/** The store of models, and what machines share beside it. */
export interface StoreServices {
  readonly store: ArtifactStore;
  /** Variants that machines share; undefined where this machine is alone. */
  readonly variants: SharedVariants | undefined;
  /** How changes are seen that this process does not make. */
  readonly changes: Pick<WatchParts, 'folders' | 'revision' | 'announcements' | 'variants'>;
  /** Whether the bucket answers, where there is one. */
  readonly dependencies: () => DependencyState[];
  /** What is wrong with the bucket and with announcements, for health checks. */
  readonly warnings: () => string[];
  /** Ends all requests: who waits for one gets an error. May be called again. */
  readonly close: () => Promise<void>;
}

/**
 * Opens the store that the settings name.
 * @throws Error when it cannot be used, or its client is not installed
 */
export async function openStoreServices(
  config: Config,
  parts: Pick<SharedVariantsParts, 'quantized' | 'versions' | 'release'>,
  logger: Logger,
): Promise<StoreServices> {
  return await closingOnFailure(async (closers) => {
    const { artifactStore, jobQueue } = config;
    const location = bucketOf(config);
    // Without a bucket no other machine changes what this one serves. The store is named by its address, so that servers
    // of other stores in the same Redis are not disturbed.
    const link =
      location === undefined || jobQueue === ''
        ? undefined
        : new RedisLink({ url: jobQueue, channel: `menagerie:${artifactStore}`, logger });
    closers.add(() => link?.close());
    const bucket = location && (await S3Bucket.open(location));
    const variants = bucket && new SharedVariants({ ...parts, bucket, logger });
    // After the bucket, with which the copying ends that this waits for.
    closers.add(() => variants?.close());
    closers.add(() => bucket?.close());
    const { store, folder, revision, isUp, warnings, close } = await openArtifactStore(config, logger, () =>
      link?.announce(),
    );
    closers.add(close);
    return {
      store,
      variants,
      changes: {
        folders: folder === undefined ? [] : [folder],
        ...(revision && { revision }),
        announcements: link,
        variants,
      },
      dependencies: () => (isUp ? [{ dependency: 's3', isUp: isUp() }] : []),
      warnings: () => [...warnings(), ...(link?.warnings ?? [])],
      close: () => closers.close(),
    };
  });
}

/** The bucket that machines share; undefined where this one is alone. */
export function bucketOf({
  artifactStore,
  s3Endpoint,
}: Pick<Config, 'artifactStore' | 's3Endpoint'>): BucketOptions | undefined {
  const location = parseStoreLocation(artifactStore);
  return location && { ...location, ...(s3Endpoint !== undefined && { endpoint: s3Endpoint }) };
}
