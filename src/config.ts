import { availableParallelism, totalmem } from 'node:os';
import { resolve } from 'node:path';
import { z } from 'zod';
import { LOG_LEVELS } from './common/logger.ts';
import { packageFile } from './common/package-files.ts';
import { type DownloadSettings, readDownloadSettings } from './download/settings.ts';
import { ICC_MODES } from './image/crop.ts';
import { wantsTraces } from './metrics/tracing.ts';
import { parseStoreLocation } from './registry/s3/store-location.ts';
import { EXECUTION_PROVIDERS } from './runtime/execution-provider.ts';
import { parseTritonAddress } from './serving/triton/triton-address.ts';
import { defaultDataDir } from './settings/default-data-dir.ts';
import type { SettingsFile } from './settings/settings-file.ts';

const MEBIBYTE = 1024 * 1024;

const integer = (min: number, max: number) => z.coerce.number().int().min(min).max(max);

/** A scheme, a host, and a port where it is not the scheme's. */
const ORIGIN = /^[a-z][a-z\d+.-]*:\/\/(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i;

/** Addresses, which may have a password or a key in them, rightly or not. Their values are not shown when they are wrong. */
const ADDRESSES: ReadonlySet<string> = new Set<keyof Settings>(['ARTIFACT_STORE', 'ENGINE', 'JOB_QUEUE']);

/** Its client would take more from a query, even a password, which nobody asked for. */
function isRedisAddress(text: string): boolean {
  if (text === '') return true;
  if (!URL.canParse(text)) return false;
  const { protocol, host, search } = new URL(text);
  return /^rediss?:$/.test(protocol) && host !== '' && search === '';
}

/**
 * Every setting of the server: its name in the environment, range, default and description. A test compares README's
 * table with this one.
 */
const settingsSchema = z.object({
  PORT: integer(0, 65_535).default(8080).describe('TCP port; 0 picks a free one'),
  HOST: z
    .string()
    .transform((host) => host.replace(/^\[(.*)\]$/, '$1'))
    .default('127.0.0.1')
    .describe('Address to listen on; 0.0.0.0 or :: opens the server to the network'),
  GRPC_PORT: integer(0, 65_535).default(0).describe('TCP port of the Open Inference Protocol in gRPC; 0 is off'),
  ALLOWED_HOSTS: z
    .string()
    .default('')
    .describe('Host names, separated by commas, that requests may use in addition to those of this machine'),
  ALLOWED_ORIGINS: z
    .string()
    .refine((text) => text.split(/[\s,]+/).every((each) => each === '' || ORIGIN.test(each)), {
      error: 'must be origins without a path, such as https://app.example:8443, separated by commas; * is not taken',
    })
    .default('')
    .describe('Origins, separated by commas, whose pages may use this server as its own page may'),
  BASE_PATH: z
    .string()
    .regex(/^\/(?:[\w.~-]+\/?)*$/, 'must be a path such as /zoo, of letters, digits, ".", "_", "~" and "-"')
    .transform((path) => path.replace(/\/$/, ''))
    .default('')
    .describe('Path under which a proxy serves this server, such as /zoo; the proxy may take it off or leave it'),
  TRUST_PROXY: z
    .union([z.stringbool().transform(Number), integer(0, 10)], {
      error: 'must be true, false, or the number of proxies, 0 to 10',
    })
    .default(0)
    .describe(
      'Proxies in front whose X-Forwarded-For, -Host and -Proto are trusted; true is one. Only where they set all three',
    ),
  ALLOW_ANONYMOUS: z
    .enum(['none', 'classify', 'all'])
    .default('none')
    .describe('What needs no key: classify, all, or none; on loopback none is needed while no key has been made'),
  // More than a machine of eight cores answers: it stops programs that run wild, not busy ones.
  REQUESTS_PER_MINUTE: integer(0, 1_000_000_000)
    .default(60_000)
    .describe('Requests per minute of one key, or one address that has none; more get 429; 0 is no limit'),
  DATA_DIR: z
    .string()
    .default('')
    .describe(
      'Folder for jobs, trained models, conversions and features. By default ./data in a checkout, and the folder for ' +
        'data of programs where Menagerie is installed, such as ~/.local/share/menagerie',
    ),
  ARTIFACT_STORE: z
    .string()
    .refine((text) => text === '' || parseStoreLocation(text) !== undefined, {
      error: 'must be s3://bucket or s3://bucket/prefix',
    })
    .default('')
    .describe('Bucket of fine-tuned models, as s3://bucket/prefix; by default they are in DATA_DIR'),
  // About 160 versions of a ResNet-50.
  ARTIFACT_CACHE_BYTES: integer(0, Number.MAX_SAFE_INTEGER)
    .default(16_384 * MEBIBYTE)
    .describe(
      'Bytes of files of a bucket that are kept in DATA_DIR; the least recently used are removed first, but none that was used in the last 36 hours',
    ),
  DEFAULT_MODEL: z.string().default('resnet18_slim.tiny200').describe('Model for requests that name none'),
  DEFAULT_BACKBONE: z.string().default('resnet18_slim.tiny200').describe('Backbone for fine-tunes that name none'),
  AUTO_PULL: z
    .stringbool({ error: 'must be true or false' })
    .default(false)
    .describe('Pull models of the zoo that requests name and that are not here, whatever key the client has'),
  ENGINE: z
    .string()
    .refine((text) => text === '' || parseTritonAddress(text) !== undefined, {
      error: 'must be the address of a Triton server, such as triton://host:8001',
    })
    .default('')
    .describe(
      'Triton server that computes the batches, as triton://host:8001; by default processes of this machine do',
    ),
  EXECUTION_PROVIDER: z
    .enum(EXECUTION_PROVIDERS)
    .default('cpu')
    .describe(`What ONNX Runtime computes on: ${EXECUTION_PROVIDERS.join(', ')}; a start says what is missing`),
  ENGINE_THREADS: integer(1, 256)
    .default(1)
    .describe('Threads of one engine under load; as many engines run as fit the cores'),
  MAX_BATCH_SIZE: integer(1, 256).default(16).describe('The most images in one batch'),
  MAX_DELAY_MS: integer(0, 1_000).default(0).describe('Milliseconds that a batch waits for more images'),
  MODEL_MEMORY_BYTES: integer(0, Number.MAX_SAFE_INTEGER)
    .default(0)
    .describe("Bytes of loaded weights; 0 is half of the machine's memory"),
  QUEUE_LIMIT: integer(1, 100_000)
    .default(256)
    .describe('Images being decoded, waiting or being computed, over all models; more get 429'),
  MAX_IMAGE_BYTES: integer(1, 512 * MEBIBYTE)
    .default(20 * MEBIBYTE)
    .describe('Bytes of one image'),
  MAX_BODY_BYTES: integer(1, 2048 * MEBIBYTE)
    .default(100 * MEBIBYTE)
    .describe('Bytes of one request to classify, explain or infer'),
  // A photo of a phone has 2 MB: as many of them as QUEUE_LIMIT lets in.
  MAX_BYTES_IN_FLIGHT: integer(1, Number.MAX_SAFE_INTEGER)
    .default(512 * MEBIBYTE)
    .describe('Bytes of all such requests that are arriving or being answered; more get 429'),
  MAX_IMAGES: integer(1, 1_000).default(64).describe('Images in one request'),
  MAX_IMAGE_PIXELS: integer(1, 1_000_000_000).default(50_000_000).describe('Pixels of one image: width times height'),
  ICC: z
    .enum(ICC_MODES)
    .default('ignore')
    .describe('Embedded colour profiles: ignore, or convert to sRGB; for models that do not say it themselves'),
  MAX_ARCHIVE_BYTES: integer(1, 2048 * MEBIBYTE)
    .default(2048 * MEBIBYTE)
    .describe('Bytes of an uploaded data set'),
  UPLOAD_TIMEOUT_MS: integer(100, 86_400_000)
    .default(1_800_000)
    .describe('Milliseconds in which an uploaded data set must arrive'),
  MAX_UPLOADS: integer(1, 100).default(4).describe('Data sets that are being uploaded at once; more get 429'),
  MAX_FEATURE_BYTES: integer(0, Number.MAX_SAFE_INTEGER)
    .default(4096 * MEBIBYTE)
    .describe('Bytes of features that are kept for later jobs; the least recently used are removed first'),
  JOB_QUEUE: z
    .string()
    .refine(isRedisAddress, { error: 'must be an address such as redis://host:6379, or rediss:// with TLS' })
    .default('')
    .describe('Redis that holds the jobs of several machines, such as redis://host:6379; by default they are files'),
  JOB_ARCHIVES: z
    .string()
    .default('')
    .describe(
      'Folder for uploads of jobs in Redis, which all machines share; by default in the bucket, or else in DATA_DIR',
    ),
  WORK_ON_JOBS: z
    .stringbool({ error: 'must be true or false' })
    .default(true)
    .describe('Whether the server works on jobs itself; false leaves those in Redis to menagerie worker'),
  // A training computes features on up to four cores, and the rest on one.
  CONCURRENCY: integer(1, 64)
    .default(1)
    .describe('Jobs that a menagerie worker works on at once; more pay where a machine has more than four cores'),
  JOB_QUEUE_LIMIT: integer(1, 1_000).default(16).describe('Fine-tunes that wait; more get 429'),
  // However many one key sends, as many places are left for all others.
  JOBS_PER_KEY: integer(1, 1_000)
    .default(8)
    .describe('Fine-tunes of one key that wait, so that the queue has places for others; more get 429'),
  REQUEST_TIMEOUT_MS: integer(100, 3_600_000).default(30_000).describe('Milliseconds in which a request must arrive'),
  STALL_TIMEOUT_MS: integer(100, 3_600_000)
    .default(10_000)
    .describe('Milliseconds in which 16 KiB of a body, or the rest of it, must arrive, and some of an answer be read'),
  SHUTDOWN_TIMEOUT_MS: integer(100, 600_000)
    .default(10_000)
    .describe('Milliseconds that requests in flight, and the job of a worker, get after SIGTERM'),
  LOG_LEVEL: z.enum(LOG_LEVELS).default('info').describe(LOG_LEVELS.join(', ')),
});

/** `MAX_BATCH_SIZE` as `maxBatchSize`. */
type CamelCase<Name extends string> = Name extends `${infer Word}_${infer Rest}`
  ? `${Lowercase<Word>}${Capitalize<CamelCase<Rest>>}`
  : Lowercase<Name>;

type Settings = z.output<typeof settingsSchema>;

/**
 * Configuration of the server. Each setting is here under its own name in camel case (`MAX_BATCH_SIZE` as
 * `maxBatchSize`). Consumers declare options of the same names and are given the whole configuration, so a new setting
 * is one entry above and one option of its consumer.
 */
export type Config = { readonly [Name in keyof Settings as CamelCase<Name>]: Settings[Name] } & {
  /** Read-only seed of the zoo: manifests, embedded weights, labels. */
  readonly zooDir: string;
  readonly cores: number;
  /** Bytes of memory of the machine, or of the container where it limits them. */
  readonly memory: number;
  /**
   * Reads hub, token and proxies for downloads. It is called at the first download, so that a proxy of an unsupported
   * kind hinders nothing else.
   */
  readonly downloads: () => DownloadSettings;
  /** Address of an S3 API other than Amazon's, from the variables of its client. */
  readonly s3Endpoint: string | undefined;
  /** Whether the variables of OpenTelemetry ask for traces. */
  readonly traces: boolean;
};

/** A setting as people read it. */
interface DescribedSetting {
  readonly name: string;
  readonly defaultValue: string;
  /** `1 to 256`; empty where any text is taken. */
  readonly range: string;
  readonly description: string;
}

/** Every setting, in the order in which they are shown. */
export function describeSettings(): DescribedSetting[] {
  return Object.entries<z.ZodDefault<z.ZodType>>(settingsSchema.shape).map(([name, schema]) => {
    const type = schema.unwrap();
    const range = type instanceof z.ZodNumber ? `${type.minValue} to ${type.maxValue}` : '';
    return { name, defaultValue: String(schema.parse(undefined)), range, description: schema.description ?? '' };
  });
}

/** Names of all settings. */
export const SETTING_NAMES: readonly string[] = Object.keys(settingsSchema.shape);

/**
 * Reads the settings from an environment, and those that it does not have from a file. An empty value counts as unset.
 * @throws Error that names every wrong setting, where it is, its value and what would be right
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>>, file?: SettingsFile): Config {
  const filed = Object.entries(file?.settings ?? {}).map(([name, { text }]) => [name, text] as const);
  const set = Object.entries(environment).filter(([, value]) => value !== '' && value !== undefined);
  const given: Readonly<Record<string, string | undefined>> = Object.fromEntries([...filed, ...set]);
  const parsed = settingsSchema.safeParse(given);
  if (!parsed.success) {
    const inEnvironment = new Set(set.map(([name]) => name));
    const problems = parsed.error.issues.map(({ path: [key], message }) => {
      const name = String(key);
      const line = inEnvironment.has(name) ? undefined : file?.settings[name]?.line;
      return `${line === undefined ? '' : `${file?.path}:${line}: `}${name}=${ADDRESSES.has(name) ? '…' : given[name]}: ${message}`;
    });
    throw new Error(`settings are wrong:\n  ${problems.join('\n  ')}`);
  }
  const settings = Object.fromEntries(
    Object.entries(parsed.data).map(([name, value]) => [camelCase(name), value]),
  ) as unknown as Config;
  // Without a container's limit it is 0, or more than the machine has.
  const memory = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
  return {
    ...settings,
    dataDir: resolve(settings.dataDir || defaultDataDir(environment)),
    zooDir: packageFile('zoo'),
    cores: availableParallelism(),
    memory,
    downloads: () => readDownloadSettings(environment),
    s3Endpoint: environment['AWS_ENDPOINT_URL_S3'] || environment['AWS_ENDPOINT_URL'] || undefined,
    traces: wantsTraces(environment),
  };
}

function camelCase(name: string): string {
  return name.toLowerCase().replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}
