import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface KeptObject {
  readonly bytes: Buffer;
  readonly etag: string;
  readonly modified: Date;
}

interface KeptUpload {
  readonly key: string;
  readonly started: Date;
  readonly parts: Map<number, Buffer>;
}

/**
 * What goes wrong with a request: `error` answers 500, `unknown` 501, `full` 507, `silent` nothing at all, `lost` does what was asked
 * and breaks the connection, `cut` breaks it in the middle of the body.
 */
export type Fault = 'error' | 'unknown' | 'full' | 'silent' | 'lost' | 'cut';

/** A request, as tests see it. */
export interface SeenRequest {
  readonly method: string;
  readonly key: string;
  readonly query: URLSearchParams;
}

/**
 * An S3 server with one bucket in memory, for tests: listings, objects, uploads in parts and conditional headers, as
 * Amazon documents them. It checks no signatures.
 */
export class MemoryS3 {
  readonly objects = new Map<string, KeptObject>();
  readonly uploads = new Map<string, KeptUpload>();
  readonly requests: SeenRequest[] = [];
  /** Asked for each request. */
  fault: (request: SeenRequest) => Fault | undefined = () => undefined;
  /** Whether the condition of a write is looked at; some S3 APIs ignore some. */
  honours: (header: 'if-match' | 'if-none-match', value: string) => boolean = () => true;
  /** Whether `If-Match` is compared with ETags that have no quotes, as by the gateway of Ceph. */
  comparesBareEtags = false;
  /** The time that objects get. */
  now = () => new Date();
  readonly #bucket: string;
  readonly #pageSize: number;
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  /** @param pageSize objects in one page of a listing */
  private constructor(bucket: string, pageSize: number) {
    this.#bucket = bucket;
    this.#pageSize = pageSize;
  }

  static async start(bucket: string, pageSize = 1_000): Promise<MemoryS3> {
    const s3 = new MemoryS3(bucket, pageSize);
    await new Promise<void>((resolve) => s3.#server.listen(0, '127.0.0.1', resolve));
    return s3;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Keys of all objects, ascending. */
  keys(): string[] {
    return [...this.objects.keys()].sort();
  }

  async stop(): Promise<void> {
    const stopped = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await stopped;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://s3');
    const [, bucket, ...segments] = decodeURIComponent(url.pathname).split('/');
    const seen = { method: request.method ?? '', key: segments.join('/'), query: url.searchParams };
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    this.requests.push(seen);
    const fault = this.fault(seen);
    if (fault === 'silent') return;
    if (fault === 'error') return refuse(response, 500, 'InternalError');
    if (fault === 'unknown') return refuse(response, 501, 'NotImplemented');
    if (fault === 'full') return refuse(response, 507, 'InsufficientStorage');
    if (bucket !== this.#bucket) return refuse(response, 404, 'NoSuchBucket');
    if (fault === 'lost') response.write = response.end = () => response.destroy() as never;
    if (fault === 'cut') {
      const { bytes } = this.objects.get(seen.key) ?? { bytes: Buffer.alloc(0) };
      response.writeHead(200, { 'content-length': bytes.length });
      response.write(bytes.subarray(0, bytes.length / 2), () => response.destroy());
      return;
    }
    if (seen.key === '') this.#answerBucket(seen, response);
    else if (seen.query.has('uploads') || seen.query.has('uploadId')) this.#answerUpload(seen, chunks, response);
    else this.#answerObject(seen, request, Buffer.concat(chunks), response);
  }

  #answerBucket({ query }: SeenRequest, response: ServerResponse) {
    const prefix = query.get('prefix') ?? '';
    if (query.has('uploads')) {
      const uploads = [...this.uploads].filter(([, { key }]) => key.startsWith(prefix));
      const listed = uploads.map(
        ([id, { key, started }]) =>
          `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>${started.toISOString()}</Initiated></Upload>`,
      );
      return xml(response, 'ListMultipartUploadsResult', listed.join(''));
    }
    const after = query.get('continuation-token') ?? '';
    const keys = this.keys().filter((key) => key.startsWith(prefix) && key > after);
    const page = keys.slice(0, this.#pageSize);
    const contents = page.map((key) => {
      const { bytes, etag, modified } = this.#object(key);
      return `<Contents><Key>${key}</Key><ETag>${etag}</ETag><Size>${bytes.length}</Size><LastModified>${modified.toISOString()}</LastModified></Contents>`;
    });
    const isTruncated = page.length < keys.length;
    const next = isTruncated ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : '';
    xml(response, 'ListBucketResult', `<IsTruncated>${isTruncated}</IsTruncated>${next}${contents.join('')}`);
  }

  #answerObject({ method, key }: SeenRequest, { headers }: IncomingMessage, bytes: Buffer, response: ServerResponse) {
    const found = this.objects.get(key);
    if (method === 'DELETE') {
      this.objects.delete(key);
      response.writeHead(204).end();
    } else if (method === 'PUT') {
      const ifMatch = this.#condition('if-match', headers);
      if (ifMatch !== undefined && found === undefined) return refuse(response, 404, 'NoSuchKey');
      const isTaken = found !== undefined && this.#condition('if-none-match', headers) === '*';
      const etag = this.comparesBareEtags ? found?.etag.replaceAll('"', '') : found?.etag;
      if (isTaken || (ifMatch !== undefined && ifMatch !== etag)) {
        return refuse(response, 412, 'PreconditionFailed');
      }
      response.writeHead(200, { etag: this.#put(key, bytes) }).end();
    } else if (found === undefined) {
      refuse(response, 404, 'NoSuchKey');
    } else {
      const [, last] = /^bytes=0-(\d+)$/.exec(headers.range ?? '') ?? [];
      const bytes = last === undefined ? found.bytes : found.bytes.subarray(0, Number(last) + 1);
      response
        .writeHead(last === undefined ? 200 : 206, { etag: found.etag, 'content-length': bytes.length })
        .end(bytes);
    }
  }

  #condition(header: 'if-match' | 'if-none-match', headers: IncomingHttpHeaders): string | undefined {
    const value = headers[header];
    return value !== undefined && this.honours(header, value) ? value : undefined;
  }

  #answerUpload({ method, key, query }: SeenRequest, chunks: Buffer[], response: ServerResponse) {
    const id = query.get('uploadId') ?? randomUUID();
    const upload = this.uploads.get(id);
    if (query.has('uploads')) {
      this.uploads.set(id, { key, started: this.now(), parts: new Map() });
      return xml(response, 'InitiateMultipartUploadResult', `<Key>${key}</Key><UploadId>${id}</UploadId>`);
    }
    if (upload === undefined) return refuse(response, 404, 'NoSuchUpload');
    if (method === 'PUT') {
      const bytes = Buffer.concat(chunks);
      upload.parts.set(Number(query.get('partNumber')), bytes);
      response.writeHead(200, { etag: etagOf(bytes) }).end();
      return;
    }
    this.uploads.delete(id);
    if (method === 'DELETE') {
      response.writeHead(204).end();
      return;
    }
    const parts = [...upload.parts].sort(([a], [b]) => a - b).map(([, bytes]) => bytes);
    xml(response, 'CompleteMultipartUploadResult', `<ETag>${this.#put(key, Buffer.concat(parts))}</ETag>`);
  }

  #put(key: string, bytes: Buffer): string {
    const etag = etagOf(bytes);
    this.objects.set(key, { bytes, etag, modified: this.now() });
    return etag;
  }

  #object(key: string): KeptObject {
    const found = this.objects.get(key);
    if (found === undefined) throw new Error(`there is no object ${key}`);
    return found;
  }
}

function etagOf(bytes: Buffer): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`;
}

function xml(response: ServerResponse, element: string, content: string): void {
  response.writeHead(200, { 'content-type': 'application/xml' });
  response.end(`<?xml version="1.0" encoding="UTF-8"?><${element}>${content}</${element}>`);
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'content-type': 'application/xml' });
  response.end(`<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`);
}
