import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { copyVerified } from '../../download/copy.ts';
import { download } from '../../download/download.ts';
import { DownloadError, NotFoundError, UnreachableError } from '../../download/download-error.ts';
import type { Downloaded } from '../../download/download-request.ts';
import { atEndpoint, type DownloadSettings, parseHttpUrl, under } from '../../download/settings.ts';
import type { ManifestDocument } from '../../registry/manifest.ts';
import type { PullOptions } from './pull-options.ts';

/** Times of a download, in milliseconds. */
export interface Patience {
  /** A connection without a byte for so long is given up. */
  readonly stallMs: number;
  /** The wait before the second attempt; it doubles with each further one. */
  readonly backoffMs: number;
}

/** Where models are downloaded to, and how. */
export interface DownloadContext {
  readonly pulledDir: string;
  readonly settings: DownloadSettings;
  readonly patience: Patience;
}

/** The file to download: all of the weights, or their first `size` bytes. */
export interface WantedFile {
  readonly target: string;
  readonly sha256: string | undefined;
  readonly size: number | undefined;
  readonly prefix: boolean;
}

/**
 * Downloads the weights of a model from the URL of its manifest, or from a mirror.
 *
 * @throws DownloadError in one line; without a network it says what to fetch elsewhere and where to put it
 */
export async function fetchWeights(
  document: ManifestDocument,
  url: URL,
  wanted: WantedFile,
  { pulledDir, settings, patience }: DownloadContext,
  { mirror, onProgress, signal }: PullOptions,
): Promise<Downloaded> {
  const { endpoint, proxies, token } = settings;
  const request = { ...wanted, ...patience, proxies, onProgress, signal };
  const authorized = { ...request, token: token === undefined ? undefined : { origin: endpoint.origin, value: token } };
  const { name, weights } = document;
  // The layout of the hub, and two that people use.
  const places = [url.pathname.slice(1), `${name}/${weights.file}`, `${name}.${weights.format}`];
  const base = mirror === undefined ? undefined : parseHttpUrl(mirror);
  if (mirror !== undefined && base === undefined) {
    const folder = resolve(mirror);
    const path = places.map((place) => join(folder, place)).find((each) => existsSync(each) && statSync(each).isFile());
    if (path !== undefined) return copyVerified({ ...request, path });
    throw new DownloadError(`the folder ${folder} has none of ${places.join(', ')}`);
  }
  try {
    if (base === undefined) return await download({ ...authorized, url: atEndpoint(url, endpoint) });
    for (const place of places) {
      try {
        return await download({ ...authorized, url: under(base, place) });
      } catch (thrown) {
        if (!(thrown instanceof NotFoundError)) throw thrown;
      }
    }
    throw new DownloadError(`${base.href} has none of ${places.join(', ')}`);
  } catch (thrown) {
    if (!(thrown instanceof UnreachableError)) throw thrown;
    throw withoutNetwork(thrown, document, url, join(pulledDir, name, weights.file));
  }
}

/** Says how to bring the weights to a machine without a network. */
function withoutNetwork(
  { message }: UnreachableError,
  { name, weights }: ManifestDocument,
  url: URL,
  path: string,
): DownloadError {
  const instruction =
    weights.sha256 === undefined
      ? `fetch ${url.href} elsewhere into a folder as ${name}/${weights.file}, with its SHA-256 beside it ` +
        `(${name}/${weights.file}.sha256), and pull with --mirror <folder>`
      : `fetch ${url.href} elsewhere and put it here as ${path}`;
  return new DownloadError(`${message}: ${instruction}`);
}
