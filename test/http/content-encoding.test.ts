import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ByteBudget } from '../../src/serving/byte-budget.ts';
import { picture } from '../image/pictures.ts';
import { ask, CONFIG, startServer, type TestServer } from './fixture.ts';

let server: TestServer;
let photo: Buffer;

beforeAll(async () => {
  server = await startServer();
  photo = await picture(60, 40, () => [250, 10, 10])
    .jpeg()
    .toBuffer();
});
afterAll(() => server.close());

/** Sends bytes as they are, under an encoding. */
function send(bytes: Uint8Array, encoding: string, type = 'image/jpeg', to = server) {
  const headers = { 'Content-Type': type, 'Content-Encoding': encoding };
  return ask(to, '/classify', { method: 'POST', body: Uint8Array.from(bytes), headers });
}

/** A form with one image, as bytes. */
async function formBytes(): Promise<{ bytes: Buffer; type: string }> {
  const form = new FormData();
  form.append('image', new Blob([Uint8Array.from(photo)]), 'red.jpg');
  form.append('top_k', '1');
  const request = new Request('http://localhost', { method: 'POST', body: form });
  return { bytes: Buffer.from(await request.arrayBuffer()), type: request.headers.get('content-type') ?? '' };
}

describe('a compressed body', () => {
  it.each([
    ['gzip', gzipSync],
    ['GZIP', gzipSync],
    ['x-gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
    ['identity', (bytes: Uint8Array) => Buffer.from(bytes)],
  ])('is read as what it was before: %s', async (encoding, encode) => {
    const { status, body } = await send(encode(photo), encoding);
    expect([status, body.results[0]?.predictions[0]?.label]).toEqual([200, 'red']);
  });

  it('may be a form', async () => {
    const { bytes, type } = await formBytes();
    const { status, body } = await send(gzipSync(bytes), 'gzip', type);
    expect([status, body.results[0]?.filename, body.results[0]?.predictions.length]).toEqual([200, 'red.jpg', 1]);
  });

  it.each(['zstd', 'gzip, gzip', 'toString'])('of another encoding is refused: %s', async (encoding) => {
    const { status, body, headers } = await send(gzipSync(photo), encoding);
    expect([status, body.code]).toEqual([415, 'unsupported_media_type']);
    expect(headers.get('accept-encoding')).toBe('gzip, deflate, br');
  });

  it('that is damaged or cut short is refused, as an image and as a form', async () => {
    const { bytes, type } = await formBytes();
    for (const [given, as] of [
      [photo, 'image/jpeg'],
      [gzipSync(photo).subarray(0, -20), 'image/jpeg'],
      [gzipSync(bytes).subarray(0, 200), type],
    ] as const) {
      const { status, body } = await send(given, 'gzip', as);
      expect([status, body.code, body.detail]).toEqual([
        400,
        'invalid_request',
        expect.stringContaining('not valid gzip'),
      ]);
    }
  });
});

describe('a body that expands to more than its limit', () => {
  // A thousand times its own size.
  const bomb = gzipSync(Buffer.alloc(100_000_000));

  it('is refused as soon as it exceeds the limit', async () => {
    const before = process.memoryUsage().rss;
    const { status, body } = await send(bomb, 'gzip', 'application/octet-stream');
    expect([status, body.code]).toEqual([413, 'body_too_large']);
    expect(process.memoryUsage().rss - before).toBeLessThan(50_000_000);
  });

  it('is refused as a form too', async () => {
    const head = Buffer.from('--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n');
    const { status, body } = await send(
      Buffer.concat([gzipSync(head), bomb]),
      'gzip',
      'multipart/form-data; boundary=x',
    );
    expect([status, body.code]).toEqual([413, 'body_too_large']);
  });

  it('counts in the memory of all bodies with its decoded bytes, and gives them back', async () => {
    const bodyBudget = new ByteBudget(150_000);
    const small = await startServer({ bodyBudget, config: { ...CONFIG, maxImageBytes: 1_000_000 } });
    const other = bodyBudget.reserve(1);
    const refused = await send(gzipSync(Buffer.alloc(200_000)), 'gzip', 'image/jpeg', small);
    expect([refused.status, refused.body.code]).toEqual([429, 'queue_full']);
    expect((await send(gzipSync(photo), 'gzip', 'image/jpeg', small)).status).toBe(200);
    other.release();
    const whole = bodyBudget.reserve(1);
    expect(() => whole.add(149_999)).not.toThrow();
    await small.close();
  });
});
