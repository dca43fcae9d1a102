import { readFile } from 'node:fs/promises';
import { DownloadError, NotFoundError, shown } from './download-error.ts';
import type { DownloadRequest } from './download-request.ts';
import { fetchFollowing } from './hub.ts';

/** A line of `sha256sum` is shorter. */
const MAX_CHARACTERS = 1024;

/**
 * Downloads `<url>.sha256`, a file that `sha256sum` wrote, which mirrors publish where no header has the digest.
 *
 * @returns the SHA-256 of the file at `url`, hexadecimal
 * @throws DownloadError when there is no such file or no digest in it; the signal's reason
 */
export async function fetchChecksum(request: DownloadRequest): Promise<string> {
  const url = new URL(request.url);
  url.pathname += '.sha256';
  const unknown = new DownloadError(
    `the SHA-256 of ${shown(request.url)} is unknown: neither the manifest has it, nor a header, nor ${shown(url)}`,
  );
  try {
    const { response, body } = await fetchFollowing(url, { ...request, headers: {} });
    let text = '';
    for await (const chunk of body) {
      text += String(chunk);
      if (text.length > MAX_CHARACTERS) break;
    }
    response.destroy();
    const digest = digestIn(text);
    if (digest === undefined) throw unknown;
    return digest;
  } catch (thrown) {
    throw thrown instanceof NotFoundError ? unknown : thrown;
  }
}

/** Like `fetchChecksum`, for a file of this machine. @throws DownloadError */
export async function readChecksum(path: string): Promise<string> {
  const digest = digestIn(await readFile(`${path}.sha256`, 'utf8').catch(() => ''));
  if (digest !== undefined) return digest;
  throw new DownloadError(`the SHA-256 of ${path} is unknown: neither the manifest has it, nor ${path}.sha256`);
}

function digestIn(text: string): string | undefined {
  return /^[0-9a-f]{64}\b/i.exec(text)?.[0].toLowerCase();
}
