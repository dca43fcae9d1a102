import type { IncomingMessage } from 'node:http';
import { fetchChecksum } from './checksum-file.ts';
import { DownloadError, shown, TransientError } from './download-error.ts';
import type { DownloadRequest } from './download-request.ts';
import { connectionError } from './http-request.ts';
import { type Fetched, fetchFollowing } from './hub.ts';
import type { PartFile, PartState } from './part-file.ts';

/**
 * One attempt to download what a part lacks. Nothing is downloaded of a file whose digest is unknown.
 *
 * @returns the SHA-256 that the complete file must have
 * @throws TransientError when another attempt may succeed; DownloadError
 */
export async function fetchPart(request: DownloadRequest, part: PartFile): Promise<string> {
  const there = await usablePart(request, part);
  if (there !== undefined && there.size === (request.size ?? there.state.total)) {
    const known = request.sha256 ?? there.state.sha256;
    if (known !== undefined) return known;
  }
  const start = there?.size ?? 0;
  const { size, prefix } = request;
  const fetched = await fetchFollowing(request.url, {
    ...request,
    headers: {
      ...((start > 0 || prefix) && { range: `bytes=${start}-${prefix ? Number(size) - 1 : ''}` }),
      ...(there?.state.validator !== undefined && { 'if-range': there.state.validator }),
    },
  });
  try {
    if (fetched.response.statusCode !== 416) expectWanted(request, fetched);
    const sha256 = request.sha256 ?? fetched.published.sha256 ?? (await fetchChecksum(request));
    await receive({ ...request, sha256 }, part, fetched, there);
    return sha256;
  } finally {
    fetched.response.destroy();
  }
}

interface FoundPart {
  readonly size: number;
  readonly state: PartState;
}

/** The part so far, if it can be resumed: a validator or a digest must be able to tell whether it is of this file. */
async function usablePart({ url, size, sha256 }: DownloadRequest, part: PartFile): Promise<FoundPart | undefined> {
  const found = await part.found(url.href);
  if (found === undefined) return undefined;
  const { validator, total = Number.POSITIVE_INFINITY, sha256: published } = found.state;
  const known = (validator ?? sha256 ?? published) !== undefined;
  return known && found.size <= Math.min(size ?? total, total) ? found : undefined;
}

async function receive(
  { url, size, sha256, prefix, onProgress }: DownloadRequest,
  part: PartFile,
  { response, body, url: from, published }: Fetched,
  there: FoundPart | undefined,
): Promise<void> {
  const { start, total = published.size, validator } = readAnswer(response);
  // Status 200: the host does not support ranges or has another version by now, and sends the whole file.
  if (start === 0) {
    const state = { url: url.href, validator, total, sha256 };
    await part.begin(state, prefix ? size : total);
  } else if (there === undefined || start !== there.size || (total ?? there.state.total) !== there.state.total) {
    await part.remove();
    throw new TransientError(`${shown(from)} sent another range than the one requested`);
  }
  const end = prefix ? size : (total ?? size);
  const done = await part.append(chunksOf(body, from), end, (bytes) =>
    onProgress({ phase: 'download', done: bytes, total: end }),
  );
  if (end !== undefined && done < end) throw new TransientError(`${shown(from)} ended after ${done} of ${end} bytes`);
}

/** @throws DownloadError when the headers of the answer tell that it is another file */
function expectWanted({ size, sha256, prefix }: DownloadRequest, { response, url, published }: Fetched): void {
  if (prefix) return;
  const total = readAnswer(response).total ?? published.size;
  const differs = (what: string, found: unknown, right: unknown) =>
    new DownloadError(`${shown(url)} is another file: it has ${found} ${what}, not ${right}`);
  if (size !== undefined && total !== undefined && total !== size) throw differs('bytes', total, size);
  if (sha256 !== undefined && published.sha256 !== undefined && published.sha256 !== sha256) {
    throw differs('as SHA-256', published.sha256, sha256);
  }
}

/** Offset of the body in the file, size of the file, and the identifier of its version. */
function readAnswer({ statusCode, headers }: IncomingMessage): {
  start: number | undefined;
  total: number | undefined;
  validator: string | undefined;
} {
  const [, from, whole] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers['content-range'] ?? '') ?? [];
  const length = statusCode === 200 ? headers['content-length'] : whole;
  // A weak ETag does not promise identical bytes (RFC 9110, 13.1.5).
  const validator = headers.etag?.startsWith('"') ? headers.etag : headers['last-modified'];
  return {
    start: statusCode === 200 ? 0 : from === undefined ? undefined : Number(from),
    total: /^\d+$/.test(length ?? '') ? Number(length) : undefined,
    validator,
  };
}

async function* chunksOf(body: AsyncIterable<Buffer>, from: URL): AsyncGenerator<Buffer> {
  try {
    yield* body;
  } catch (thrown) {
    throw connectionError(thrown, from);
  }
}
