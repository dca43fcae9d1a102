import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { copyVerified } from '../../download/copy.ts';
import { download } from '../../download/download.ts';
import { DownloadError, NotThereError, type UnreachableError } from '../../download/download-error.ts';
import type { Downloaded } from '../../download/download-request.ts';
import { atEndpoint, type DownloadSettings, parseHttpUrl, under } from '../../download/settings.ts';
import type { ManifestDocument } from '../../registry/manifest.ts';
import type { PullOptions } from './pull-options.ts';

/** How patient downloads are, in milliseconds. */
export interface Patience {
  /** Without a byte, after which a connection is given up. */
  readonly stallMs: number;
  /** The first wait between two tries. */
  readonly backoffMs: number;
}

/** What is wanted of a file, and where it goes. */
export interface WantedFile {
  readonly target: string;
  readonly sha256: string | undefined;
  readonly size: number | undefined;
  readonly prefix: boolean;
}

/**
 * Fetches the file of a manifest with a URL, from the host or from a mirror.
 * @throws DownloadError in one line; without a network it says what to fetch and where to put it
 */
export async function fetchWeights(
  { name, weights }: ManifestDocument,
  url: URL,
  wanted: WantedFile,
  settings: DownloadSettings,
  patience: Patience,
  { mirror, onProgress, signal }: PullOptions,
): Promise<Downloaded> {
  const { endpoint, proxies, token } = settings;
  const request = { ...wanted, ...patience, proxies, onProgress, signal };
  const authorized = { ...request, token: token === undefined ? undefined : { origin: endpoint.origin, value: token } };
  if (mirror === undefined) return download({ ...authorized, url: atEndpoint(url, endpoint) });
  // As the hub lays files out, and two ways in which people do.
  const places = [url.pathname.slice(1), `${name}/${weights.file}`, `${name}.${weights.format}`];
  const base = parseHttpUrl(mirror);
  if (base === undefined) {
    const folder = resolve(mirror);
    const path = places.map((place) => join(folder, place)).find((each) => existsSync(each) && statSync(each).isFile());
    if (path !== undefined) return copyVerified({ ...request, path });
    throw new DownloadError(`the folder ${folder} has none of ${places.join(', ')}`);
  }
  for (const place of places) {
    try {
      return await download({ ...authorized, url: under(base, place) });
    } catch (thrown) {
      if (!(thrown instanceof NotThereError)) throw thrown;
    }
  }
  throw new DownloadError(`${base.href} has none of ${places.join(', ')}`);
}

/** The one line for a machine without a network. */
export function withoutNetwork(
  { message }: UnreachableError,
  { name, weights }: ManifestDocument,
  url: URL,
  path: string,
): DownloadError {
  const digest = weights.sha256 === undefined ? `, and its SHA-256 beside it (${name}/${weights.file}.sha256)` : '';
  const how =
    weights.sha256 === undefined
      ? `fetch ${url.href} elsewhere into a folder as ${name}/${weights.file}${digest}, and pull with --mirror <folder>`
      : `fetch ${url.href} elsewhere and put it here as ${path}`;
  return new DownloadError(`${message}: ${how}`);
}
