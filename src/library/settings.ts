import { AppError, messageOf } from '../common/errors.ts';
import { nearestName } from '../common/nearest-name.ts';
import { type Config, readConfig, SETTING_NAMES } from '../config.ts';
import { readDownloadSettings } from '../download/settings.ts';

/** From where models are downloaded. Nothing is read from the environment. */
export interface DownloadOptions {
  /** Base URL that replaces `https://huggingface.co`, as `HF_ENDPOINT` does for the command. */
  readonly endpoint?: string;
  /** Token for this host. */
  readonly token?: string;
  /** Proxy for all downloads: an `http:` or `https:` URL. */
  readonly proxy?: string;
}

/**
 * Settings of a zoo: those of the server, in camel case. What is absent has the default of the setting, except for
 * `logLevel`.
 */
export interface ZooOptions {
  /**
   * Folder for trained and pulled models, conversions and features; made when it is missing. Default: that of the
   * command, as long as the environment does not name another: `~/.local/share/menagerie` on Linux.
   */
  readonly dataDir?: string;
  /** Model of calls that name none. Default `resnet18_slim.tiny200`. */
  readonly defaultModel?: string;
  /** Backbone of fine-tunes that name none. Default `resnet18_slim.tiny200`. */
  readonly defaultBackbone?: string;
  /**
   * Pull a model of the zoo that a call names and that is not here: the call waits for it. A server answers the request
   * with 202 and pulls meanwhile. Default false: such a call rejects with `model_not_pulled`.
   */
  readonly autoPull?: boolean;
  /** Threads of one engine, 1 to 256; as many engines run as fit the cores. Default 1. */
  readonly engineThreads?: number;
  /**
   * What ONNX Runtime computes on. Default `cpu`. Others need drivers or libraries: opening the zoo rejects where they are
   * missing, and says which.
   */
  readonly executionProvider?: 'cpu' | 'cuda' | 'webgpu' | 'dml' | 'coreml';
  /** The most images in one batch, 1 to 256. Default 16. */
  readonly maxBatchSize?: number;
  /** Milliseconds that a batch waits for more images, 0 to 1000. Default 0. */
  readonly maxDelayMs?: number;
  /** Bytes of loaded weights; 0, the default, is half of the machine's memory. */
  readonly modelMemoryBytes?: number;
  /** Images that are decoded, wait or are computed at once, 1 to 100000; more get `queue_full`. Default 256. */
  readonly queueLimit?: number;
  /** Pixels of one image, width times height, 1 to 1e9; larger ones get `image_too_large`. Default 50e6. */
  readonly maxImagePixels?: number;
  /** Bytes of features that are kept for later fine-tunes. Default 4 GiB. */
  readonly maxFeatureBytes?: number;
  /** What is logged, as JSON lines on standard output. Default `silent`. */
  readonly logLevel?: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
  readonly downloads?: DownloadOptions;
}

/** Settings of a server. Those of the HTTP interface that are not here have the defaults of the command. */
export interface ServerOptions extends ZooOptions {
  /** TCP port; 0 picks a free one. Default 8080. */
  readonly port?: number;
  /** TCP port of the Open Inference Protocol in gRPC; 0, the default, is off. */
  readonly grpcPort?: number;
  /** Address to listen on; `0.0.0.0` opens the server to the network. Default `127.0.0.1`. */
  readonly host?: string;
  /** Host names, separated by commas, that requests may use in addition to those of this machine. */
  readonly allowedHosts?: string;
  /** Origins, separated by commas, whose pages may use this server, such as `https://app.example`. */
  readonly allowedOrigins?: string;
  /** Path under which it is mounted or a proxy serves it, such as `/zoo`. Default: none. */
  readonly basePath?: string;
  /** Proxies in front, 0 to 10, whose `X-Forwarded-*` are trusted; only where they set all of them. Default 0. */
  readonly trustProxy?: number;
  /**
   * What needs no key of `menagerie keys`. With the default `none`, clients of this machine need none as long as no key
   * was made, and a `host` that others reach is refused without one.
   */
  readonly allowAnonymous?: 'none' | 'classify' | 'all';
  /** Images in one request, 1 to 1000. Default 64. */
  readonly maxImages?: number;
  /** Bytes of one image. Default 20 MiB. */
  readonly maxImageBytes?: number;
  /** Bytes of one request to classify, explain or infer. Default 100 MiB. */
  readonly maxBodyBytes?: number;
  /** Bytes of an uploaded data set. Default 2 GiB. */
  readonly maxArchiveBytes?: number;
  /** Fine-tunes that wait, 1 to 1000; more get `job_queue_full`. Default 16. */
  readonly jobQueueLimit?: number;
  /** Fine-tunes of one key that wait, 1 to 1000; more get `job_queue_full`. Default 8. */
  readonly jobsPerKey?: number;
  /** Milliseconds that requests in flight get when the server is closed, 100 to 600000. Default 10000. */
  readonly shutdownTimeoutMs?: number;
}

/**
 * The configuration of given settings.
 * @throws AppError `invalid_request` that names every wrong setting, or the setting that an unknown name means
 */
export function configOf({ downloads, logLevel = 'silent', ...named }: ServerOptions): Config {
  const given = { ...named, logLevel };
  const known = SETTING_NAMES.map(camelCase);
  for (const name of Object.keys(given)) if (!known.includes(name)) throw unknownSetting(name, known);
  const entries = Object.entries(given).filter(([, value]) => value !== undefined);
  const settings = Object.fromEntries(entries.map(([name, value]) => [settingName(name), String(value)]));
  try {
    return { ...readConfig(settings), downloads: () => downloadSettings(downloads) };
  } catch (thrown) {
    throw new AppError('invalid_request', messageOf(thrown), { cause: thrown });
  }
}

function downloadSettings({ endpoint, token, proxy }: DownloadOptions = {}) {
  return readDownloadSettings({ HF_ENDPOINT: endpoint, HF_TOKEN: token, ALL_PROXY: proxy });
}

function unknownSetting(name: string, known: readonly string[]): AppError {
  const meant = nearestName(name, known);
  return new AppError(
    'invalid_request',
    `there is no setting ${name}${meant === undefined ? '' : `; is it ${meant}?`}`,
  );
}

/** `MAX_BATCH_SIZE` of `maxBatchSize`. */
function settingName(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

function camelCase(name: string): string {
  return name.toLowerCase().replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}
