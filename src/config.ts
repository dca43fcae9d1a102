import { existsSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { LOG_LEVELS } from './common/logger.ts';
import { type DownloadSettings, readDownloadSettings } from './download/settings.ts';

const MEBIBYTE = 1024 * 1024;

const integer = (min: number, max: number) => z.coerce.number().int().min(min).max(max);

/**
 * Every setting of the server, read from the environment: its range, its default and what it is for.
 * README's table is held against this one by a test.
 */
export const settingsSchema = z.object({
  PORT: integer(0, 65_535).default(8080).describe('TCP port; 0 takes a free one'),
  HOST: z.string().default('127.0.0.1').describe('Address to listen on; 0.0.0.0 opens the server to the network'),
  DATA_DIR: z.string().default('./data').describe('Folder for converted models and everything else that is kept'),
  DEFAULT_MODEL: z.string().default('resnet18_slim.tiny200').describe('Model that answers when a request names none'),
  DEFAULT_BACKBONE: z
    .string()
    .default('resnet18_slim.tiny200')
    .describe('Model that a fine-tune stands on when it names none'),
  ENGINE_THREADS: integer(1, 256)
    .default(1)
    .describe('Threads that compute one batch under load; as many engines run as fit the cores'),
  MAX_BATCH_SIZE: integer(1, 256).default(16).describe('Images that ride in one batch at most'),
  MAX_DELAY_MS: integer(0, 1_000).default(0).describe('Milliseconds that a batch may wait for company'),
  MODEL_MEMORY_BYTES: integer(0, Number.MAX_SAFE_INTEGER)
    .default(0)
    .describe("Bytes of weights that may be loaded at once; 0 is half of the machine's memory"),
  QUEUE_LIMIT: integer(1, 100_000)
    .default(256)
    .describe('Images that may be decoded or wait at once, over all models; more get 429'),
  MAX_IMAGE_BYTES: integer(1, 512 * MEBIBYTE)
    .default(20 * MEBIBYTE)
    .describe('Bytes of one uploaded image'),
  MAX_BODY_BYTES: integer(1, 2048 * MEBIBYTE)
    .default(100 * MEBIBYTE)
    .describe('Bytes of a whole request to classify'),
  MAX_IMAGES: integer(1, 1_000).default(64).describe('Images in one request'),
  MAX_IMAGE_PIXELS: integer(1, 1_000_000_000).default(50_000_000).describe('Width times height of one image'),
  MAX_ARCHIVE_BYTES: integer(1, 2048 * MEBIBYTE)
    .default(2048 * MEBIBYTE)
    .describe('Bytes of an uploaded data set'),
  UPLOAD_TIMEOUT_MS: integer(100, 86_400_000)
    .default(1_800_000)
    .describe('Milliseconds in which an uploaded data set must have arrived whole'),
  MAX_UPLOADS: integer(1, 100)
    .default(4)
    .describe('Data sets that may be arriving at once, each with a place on the disk; more get 429'),
  MAX_FEATURE_BYTES: integer(0, Number.MAX_SAFE_INTEGER)
    .default(4096 * MEBIBYTE)
    .describe('Bytes of computed features that are kept for later jobs; those used longest ago go first'),
  JOB_QUEUE_LIMIT: integer(1, 1_000).default(16).describe('Fine-tunes that may wait; more get 429'),
  REQUEST_TIMEOUT_MS: integer(100, 3_600_000)
    .default(30_000)
    .describe('Milliseconds in which a request must have arrived whole'),
  SHUTDOWN_TIMEOUT_MS: integer(100, 600_000)
    .default(10_000)
    .describe('Milliseconds that requests in flight get after SIGTERM'),
  LOG_LEVEL: z.enum(LOG_LEVELS).default('info').describe(LOG_LEVELS.join(', ')),
});

/** Everything the server is told from outside. */
export interface Config extends z.output<typeof settingsSchema> {
  /** Read-only seed of the zoo: manifests, embedded weights, labels. */
  readonly zooDir: string;
  readonly cores: number;
  /** Bytes that this process and its children may take, by the machine or by the container. */
  readonly memory: number;
  /**
   * Hub, token and proxies for downloads, read when one is asked for: a proxy of a kind that they cannot use hinders nothing
   * else.
   */
  readonly downloads: () => DownloadSettings;
}

/** The folder that holds package.json, whether this file runs from `src` or from `dist/src`. */
function packageRoot(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`no package.json above ${import.meta.dirname}`);
    folder = parent;
  }
  return folder;
}

/**
 * Reads the settings out of an environment; an empty value counts as unset.
 * @throws Error that names every setting that is wrong, what was given and what would be right
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const parsed = settingsSchema.safeParse(given);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(
      ({ path: [name], message }) => `${String(name)}=${given[String(name)]}: ${message}`,
    );
    throw new Error(`settings are wrong:\n  ${problems.join('\n  ')}`);
  }
  return {
    ...parsed.data,
    DATA_DIR: resolve(parsed.data.DATA_DIR),
    zooDir: join(packageRoot(), 'zoo'),
    cores: availableParallelism(),
    // Without a container's limit the second is 0, or more than there is.
    memory: Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY),
    downloads: () => readDownloadSettings(environment),
  };
}
