import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { download } from '../../src/download/download.ts';
import { UnreachableError } from '../../src/download/download-error.ts';
import type { DownloadProgress, DownloadRequest } from '../../src/download/download-request.ts';
import { readDownloadSettings } from '../../src/download/settings.ts';
import { MisbehavingHost } from './misbehaving-host.ts';

const content = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7 + (index >> 8)) % 256));
const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const sha256 = digest(content);

let folder: string;
let target: string;
let host: MisbehavingHost;
let progress: DownloadProgress[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'download-'));
  target = join(folder, 'model.safetensors');
  host = await new MisbehavingHost(content).listen();
  progress = [];
});

afterEach(async () => {
  await host.close();
  await rm(folder, { recursive: true });
});

function fetchIt(changes: Partial<DownloadRequest> = {}): Promise<{ sha256: string; size: number }> {
  return download({
    url: new URL(`${host.origin}/model.safetensors`),
    target,
    sha256,
    size: content.length,
    prefix: false,
    proxies: readDownloadSettings({}).proxies,
    token: undefined,
    stallMs: 2_000,
    backoffMs: 1,
    signal: new AbortController().signal,
    onProgress: (update) => progress.push(update),
    ...changes,
  });
}

const ranges = () => host.requests.map(({ headers }) => headers.range);
/** Checks that nothing could be mistaken for the file. */
const nothingThere = () => expect(existsSync(target)).toBe(false);

describe('a download', () => {
  test('puts the whole file in its place, and nothing else', async () => {
    expect(await fetchIt()).toEqual({ sha256, size: content.length });
    expect(readFileSync(target).equals(content)).toBe(true);
    expect(readdirSync(folder)).toEqual(['model.safetensors']);
    expect(progress.at(-1)).toEqual({ phase: 'verify', done: content.length, total: content.length });
  });

  test('resumes where the connection broke, and asks for the same version', async () => {
    host.mischief.push(host.cut(100_000), host.cut(50_000));
    await fetchIt();
    expect(readFileSync(target).equals(content)).toBe(true);
    const [, second, third] = host.requests;
    expect(ranges()[0]).toBeUndefined();
    expect([second?.headers['if-range'], third?.headers['if-range']]).toEqual([host.etag, host.etag]);
    expect(
      ranges()
        .slice(1)
        .every((range) => /^bytes=[1-9]\d+-$/.test(range ?? '')),
    ).toBe(true);
  });

  test('resumes in the next run', async () => {
    host.mischief.push(host.cut(100_000), ...Array.from({ length: 5 }, () => host.cut(0)));
    await expect(fetchIt()).rejects.toThrow(/6 times in a row; the next pull resumes after the \d+ bytes received/);
    nothingThere();
    const before = host.requests.length;
    await fetchIt();
    expect(ranges().slice(before)).toEqual([expect.stringMatching(/^bytes=[1-9]\d+-$/)]);
    expect(readFileSync(target).equals(content)).toBe(true);
  });

  test('begins again when the host has another version by then', async () => {
    host.mischief.push((request, response) => {
      const other = new MisbehavingHost(Buffer.alloc(content.length, 1));
      other.cut(100_000)(request, response);
      return true;
    });
    await fetchIt();
    expect(readFileSync(target).equals(content)).toBe(true);
  });

  test('begins again when the host does not support ranges', async () => {
    host.mischief.push(host.cut(100_000), (_request, response) => {
      response.writeHead(200, { 'content-length': content.length }).end(content);
      return true;
    });
    await fetchIt();
    expect(ranges()).toEqual([undefined, expect.stringMatching(/^bytes=[1-9]/)]);
    expect(readFileSync(target).equals(content)).toBe(true);
  });

  test.each([
    ['another range than asked for', { 'content-range': `bytes 7-${content.length - 1}/${content.length}` }, 206],
    ['416', { 'content-range': `bytes */${content.length}` }, 416],
    ['a range that cannot be read', { 'content-range': 'tomorrow' }, 206],
  ])('begins anew after %s', async (_, headers, status) => {
    host.mischief.push(host.cut(100_000), (_request, response) => {
      response.writeHead(status, headers).end(content.subarray(7));
      return true;
    });
    await fetchIt();
    expect(readFileSync(target).equals(content)).toBe(true);
  });

  test('tries again after a stall', async () => {
    host.mischief.push((_request, response) => {
      response.writeHead(200, { 'content-length': content.length, etag: host.etag });
      response.write(content.subarray(0, 1000));
      return true;
    });
    await fetchIt({ stallMs: 100 });
    expect(readFileSync(target).equals(content)).toBe(true);
    expect(host.requests).toHaveLength(2);
  });

  test('waits as long as a busy host asks, and gives up on one that stays so', async () => {
    const busy = (status: number) => (_request: unknown, response: ServerResponse) => {
      response.writeHead(status, { 'retry-after': '0' }).end();
      return true;
    };
    host.mischief.push(busy(503), busy(429));
    await fetchIt({ backoffMs: 60_000 });
    expect(host.requests).toHaveLength(3);
    await rm(target);
    host.mischief.push(...Array.from({ length: 6 }, () => busy(502)));
    await expect(fetchIt()).rejects.toThrow('answered 502, 6 times in a row');
  });

  test('refuses a file of another length before it is fetched', async () => {
    host.content = Buffer.concat([content, content]);
    await expect(fetchIt()).rejects.toThrow('it has 600000 bytes, not 300000');
    nothingThere();
    expect(progress).toEqual([]);
  });

  test('notices a content length that is too short', async () => {
    host.mischief.push((_request, response) => {
      response.writeHead(200, { 'content-length': 1000 }).end(content.subarray(0, 1000));
      return true;
    });
    await expect(fetchIt({ size: undefined })).rejects.toThrow(/has SHA-256 [0-9a-f]{64}, not /);
    nothingThere();
  });

  test('keeps nothing of a file with another digest', async () => {
    host.content = Buffer.from(content);
    host.content[200_000] = 255 - (content[200_000] ?? 0);
    await expect(fetchIt()).rejects.toThrow(`is another file: it has SHA-256 ${digest(host.content)}, not ${sha256}`);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('discards a damaged part, and downloads the whole file', async () => {
    host.mischief.push(host.cut(100_000), ...Array.from({ length: 5 }, () => host.cut(0)));
    await expect(fetchIt()).rejects.toThrow('in a row');
    await writeFile(`${target}.part`, Buffer.alloc(50_000));
    await fetchIt();
    expect(readFileSync(target).equals(content)).toBe(true);
  });

  test('stops when its signal aborts, and keeps what it received', async () => {
    const controller = new AbortController();
    host.mischief.push((_request, response) => {
      response.writeHead(200, { 'content-length': content.length, etag: host.etag });
      response.write(content.subarray(0, 1000));
      return true;
    });
    const onProgress = () => controller.abort(new Error('cancelled'));
    await expect(fetchIt({ signal: controller.signal, onProgress })).rejects.toThrow('cancelled');
    nothingThere();
    expect(existsSync(`${target}.part`)).toBe(true);
  });

  test('fails soon when no host answers', async () => {
    const closed = await new MisbehavingHost(content).listen();
    const url = new URL(`${closed.origin}/model.safetensors`);
    await closed.close();
    const failure = await fetchIt({ url }).catch((thrown) => thrown);
    expect(failure).toBeInstanceOf(UnreachableError);
    expect(failure.message).toBe(`${url.host} cannot be reached (ECONNREFUSED)`);
  });

  test.each([
    [404, 'there is no such file'],
    [401, 'it may require a token in HF_TOKEN'],
    [400, 'answered 400'],
  ])('does not try again after %i', async (status, message) => {
    host.mischief.push((_request, response) => {
      response.writeHead(status).end();
      return true;
    });
    await expect(fetchIt()).rejects.toThrow(message);
    expect(host.requests).toHaveLength(1);
  });
});

describe('the beginning of a file', () => {
  const size = 70_000;
  const beginning = { size, prefix: true, sha256: digest(content.subarray(0, size)) };

  test('is all that is downloaded', async () => {
    host.mischief.push(host.cut(30_000));
    await fetchIt(beginning);
    expect(readFileSync(target).equals(content.subarray(0, size))).toBe(true);
    expect(ranges()).toEqual(['bytes=0-69999', expect.stringMatching(/^bytes=\d+-69999$/)]);
  });

  test('is all that is kept when the host does not support ranges', async () => {
    host.mischief.push((_request, response) => {
      response.writeHead(200, { 'content-length': content.length }).end(content);
      return true;
    });
    await fetchIt(beginning);
    expect(readFileSync(target).equals(content.subarray(0, size))).toBe(true);
  });
});

describe('a digest that the manifest does not have', () => {
  test("is read from the hub's header", async () => {
    host.headers = { 'x-linked-etag': `"${sha256}"`, 'x-linked-size': String(content.length) };
    expect(await fetchIt({ sha256: undefined, size: undefined })).toEqual({ sha256, size: content.length });
    host.headers = { 'x-linked-etag': `"${'0'.repeat(64)}"` };
    await expect(fetchIt({ sha256: undefined })).rejects.toThrow(`not ${'0'.repeat(64)}`);
  });

  test('is remembered between two runs', async () => {
    host.headers = { 'x-linked-etag': `"${sha256}"` };
    host.mischief.push((_request, response) => {
      response.setHeader('x-linked-etag', `"${sha256}"`);
      return host.cut(100_000)(_request, response);
    });
    expect(await fetchIt({ sha256: undefined })).toMatchObject({ sha256 });
  });

  test('is read from a file beside it on a mirror', async () => {
    host.mischief.push(
      () => false,
      ({ url }, response) => {
        expect(url).toBe('/model.safetensors.sha256');
        response.end(`${sha256}  model.safetensors\n`);
        return true;
      },
    );
    expect(await fetchIt({ sha256: undefined })).toMatchObject({ sha256 });
  });

  test('must be published: nothing is downloaded without one', async () => {
    host.mischief.push(
      () => false,
      (_request, response) => {
        response.writeHead(404).end();
        return true;
      },
    );
    await expect(fetchIt({ sha256: undefined })).rejects.toThrow(
      /^the SHA-256 of .* is unknown: .*model\.safetensors\.sha256$/,
    );
    expect(progress).toEqual([]);
    nothingThere();
  });

  test("that differs from the manifest's is refused before the download", async () => {
    host.headers = { 'x-linked-etag': `"${'0'.repeat(64)}"` };
    await expect(fetchIt()).rejects.toThrow(`it has ${'0'.repeat(64)} as SHA-256, not ${sha256}`);
    expect(progress).toEqual([]);
  });
});
