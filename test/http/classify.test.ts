import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClassificationRequest } from '../../src/answering/image-classification.ts';
import { AppError } from '../../src/common/errors.ts';
import { heicCase } from '../image/heif.ts';
import { picture } from '../image/pictures.ts';
import {
  classify,
  classifyRaw,
  colourClassifier,
  deferred,
  openLine,
  startServer,
  type TestServer,
} from './fixture.ts';

const colour = (red: number, green: number, blue: number) =>
  picture(40, 30, () => [red, green, blue])
    .png()
    .toBuffer();

let server: TestServer;
let reddish: Buffer;
let blue: Buffer;

beforeAll(async () => {
  server = await startServer();
  [reddish, blue] = await Promise.all([colour(200, 100, 50), colour(0, 0, 255)]);
});
afterAll(() => server.close());

describe('POST /classify', () => {
  it('answers a form of one image', async () => {
    const { status, body } = await classify(server, { 'photo.png': reddish });
    expect(status).toBe(200);
    expect(body).toMatchObject({ model: 'tiny.test', version: 1, runtime: 'onnx' });
    expect(body.results).toHaveLength(1);
    expect(body.results[0]).toMatchObject({
      filename: 'photo.png',
      timings: { decode_ms: 1.23, queue_ms: 0, inference_ms: 2, batch_size: 1 },
    });
    expect(body.results[0]?.predictions.map(({ label }) => label)).toEqual(['red', 'green', 'blue']);
    expect(body.results[0]?.predictions[0]).toMatchObject({ index: 0, synset: null });
    expect(body.timings['total_ms']).toBeGreaterThan(body.timings['receive_ms'] ?? Number.NaN);
  });

  it('answers many images in their order', async () => {
    const { body } = await classify(server, { 'b.png': blue, 'r.png': reddish, 'b2.png': blue });
    expect(body.results.map(({ filename, predictions }) => [filename, predictions[0]?.label])).toEqual([
      ['b.png', 'blue'],
      ['r.png', 'red'],
      ['b2.png', 'blue'],
    ]);
  });

  it.each(['image/png', 'image/jpeg', 'application/octet-stream', 'IMAGE/PNG; q=1'])(
    'answers the bytes of an image sent as %s',
    async (type) => {
      const { status, body } = await classifyRaw(server, blue, type);
      expect(status).toBe(200);
      expect(body.results[0]).toMatchObject({ filename: 'image', predictions: [{ label: 'blue' }, {}, {}] });
    },
  );

  it('answers the bytes of an image sent without a type', async () => {
    const response = await fetch(`${server.url}/classify`, { method: 'POST', body: Uint8Array.from(blue) });
    expect(await response.json()).toMatchObject({ results: [{ predictions: [{ label: 'blue' }, {}, {}] }] });
  });

  describe('takes JSON', () => {
    const send = (body: unknown) => classifyRaw(server, JSON.stringify(body), 'application/json; charset=utf-8');

    it('with images as base64, and options beside them', async () => {
      const [first, second] = [blue, reddish].map((image) => image.toString('base64'));
      const wrapped = first?.replaceAll(/.{76}/g, '$&\n');
      const { body } = await send({
        images: [{ b64: wrapped, filename: 'b.png' }, { b64: `data:image/png;base64,${second}` }],
        top_k: 1,
      });
      expect(
        body.results.map(({ filename, predictions }) => [filename, predictions.map(({ label }) => label)]),
      ).toEqual([
        ['b.png', ['blue']],
        ['image 1', ['red']],
      ]);
    });

    it.each<[string, unknown, number, string, string]>([
      ['no images', {}, 400, 'invalid_request', '"images"'],
      ['an empty list', { images: [] }, 400, 'no_image', 'empty'],
      ['text instead of base64', { images: [{ b64: 'a photo!' }] }, 400, 'invalid_request', 'image 0 is not base64'],
      ['another member', { images: [{ url: 'http://x' }] }, 400, 'invalid_request', 'b64'],
      ['an unknown option', { images: [{ b64: 'AAAA' }], topk: 3 }, 400, 'invalid_request', 'topk is not an option'],
      ['too many images', { images: new Array(65).fill({ b64: 'AAAA' }) }, 413, 'too_many_images', '65'],
      [
        'too many views',
        { images: new Array(13).fill({ b64: 'AAAA' }), tta: 'five_crop' },
        413,
        'too_many_images',
        'tta=five_crop computes each image 5 times: the request has 13 images, and with it the limit is 12',
      ],
      ['other views', { images: [{ b64: 'AAAA' }], tta: 'ten_crop' }, 400, 'invalid_request', 'flip or five_crop'],
      ['a large image', { images: [{ b64: 'AAAA'.repeat(70_000) }] }, 413, 'body_too_large', '210000 bytes'],
      ['an image that is none', { images: [{ b64: 'AAAA' }] }, 415, 'unsupported_image', 'not an image'],
    ])('but not with %s', async (_, json, status, code, reason) => {
      const { status: given, body } = await send(json);
      expect([given, body.code]).toEqual([status, code]);
      expect(body.detail).toContain(reason);
    });
  });

  describe('takes forms as programs write them', () => {
    const send = async (disposition: string, type = 'image/png') => {
      const head = `--x\r\nContent-Disposition: form-data; ${disposition}\r\nContent-Type: ${type}\r\n\r\n`;
      const body = Buffer.concat([Buffer.from(head), reddish, Buffer.from('\r\n--x--\r\n')]);
      return await classifyRaw(server, body, 'multipart/form-data; boundary=x');
    };

    it.each([
      ['a name in UTF-8', 'name="image"; filename="gr\u00fcn.png"', 'gr\u00fcn.png'],
      ['a name of RFC 5987', 'name="image"; filename*=UTF-8\'\'gr%C3%BCn.png', 'gr\u00fcn.png'],
      ['both', 'name="image"; filename="gr.png"; filename*=UTF-8\'\'gr%C3%BCn.png', 'gr\u00fcn.png'],
      ['a wrong extension', 'name="image"; filename="photo.txt"', 'photo.txt'],
    ])('with %s', async (_, disposition, filename) => {
      expect((await send(disposition, 'text/plain')).body.results).toMatchObject([{ filename }]);
    });

    it.each([
      ['no file name', 'name="image"', 'image/png', 'filename="photo.jpg"'],
      ['an empty file name', 'name="image"; filename=""', 'application/octet-stream', 'with a file name'],
      ['another part', 'name="photo"; filename="a.png"', 'image/png', 'put it into "image"'],
      ['a part for lists', 'name="image[]"; filename="a.png"', 'image/png', 'put it into "image"'],
      ['another part without file name', 'name="photo"', 'image/png', '"image"'],
    ])('but %s is refused with the right one', async (_, disposition, type, words) => {
      const { status, body } = await send(disposition, type);
      expect(status).toBe(400);
      expect(body.detail).toContain(words);
    });
  });

  it('returns top_k classes, or all when there are fewer', async () => {
    for (const [topK, count] of [
      [1, 1],
      [2, 2],
      [3, 3],
      [1000, 3],
    ]) {
      const { body } = await classifyRaw(server, reddish, 'image/png', `?top_k=${topK}`);
      expect(body.results[0]?.predictions).toHaveLength(count ?? 0);
    }
  });

  it('returns no class below the threshold', async () => {
    const { body } = await classifyRaw(server, reddish, 'image/png', '?threshold=0.5');
    expect(body.results[0]?.predictions.map(({ label }) => label)).toEqual(['red']);
  });

  it.each(['', 'application/x-www-form-urlencoded', 'application/octet-stream', 'image/gif'])(
    'sees the format from the bytes, whatever type is claimed: "%s"',
    async (type) => {
      const { status, body } = await classifyRaw(server, blue, type);
      expect([status, body.results?.[0]?.predictions[0]?.label]).toEqual([200, 'blue']);
    },
  );

  it('takes photos of phones, and says what is odd about a file', async () => {
    const endless = (
      await picture(60, 40, () => [250, 10, 10])
        .jpeg()
        .toBuffer()
    ).subarray(0, -2);
    const { status, body } = await classify(server, { 'IMG_0001.HEIC': heicCase('plain.heic'), 'cut.jpg': endless });
    expect(status).toBe(200);
    const [heic, jpeg] = body.results;
    expect(heic?.predictions).toHaveLength(3);
    expect(heic).not.toHaveProperty('warnings');
    expect(jpeg).toMatchObject({ warnings: [{ code: 'jpeg_without_end' }] });
  });

  it('reads options from the form and from the query', async () => {
    const fields = { top_k: '1', runtime: 'tfjs', model: 'tiny.test', threshold: '0.1' };
    const inForm = await classify(server, { a: reddish }, { fields });
    const inQuery = await classify(server, { a: reddish }, { query: `?${new URLSearchParams(fields)}` });
    const inBoth = await classify(server, { a: reddish }, { fields, query: '?top_k=1' });
    for (const { body } of [inForm, inQuery, inBoth]) {
      expect(body).toMatchObject({ model: 'tiny.test', runtime: 'tfjs' });
      expect(body.results[0]?.predictions).toHaveLength(1);
    }
  });

  it('refuses an option that has different values in form and query', async () => {
    const { status, body } = await classify(server, { a: reddish }, { fields: { top_k: '1' }, query: '?top_k=2' });
    expect([status, body.code]).toEqual([400, 'invalid_request']);
    expect(body.detail).toContain('"2" in the query and "1" in the form');
  });
});

describe('errors of the classifier', () => {
  const failing = (error: Error) => startServer({ classifier: { classify: () => Promise.reject(error) } });

  it.each([
    ['queue_full', 429],
    ['model_unavailable', 503],
    ['engine_lost', 503],
    ['shutting_down', 503],
  ] as const)('%s is a %i that says when to retry', async (code, status) => {
    const failed = await failing(new AppError(code, 'not now', { retryAfter: 7 }));
    const answer = await classifyRaw(failed, blue);
    expect(answer).toMatchObject({ status, body: { code, detail: 'not now' } });
    expect(answer.headers.get('retry-after')).toBe('7');
    await failed.close();
  });

  it('an internal error tells the client only the request id', async () => {
    const failed = await failing(new Error('secret: /etc/key'));
    const { status, body, headers } = await classifyRaw(failed, blue);
    expect([status, body.code]).toEqual([500, 'internal']);
    expect(JSON.stringify(body)).not.toContain('secret');
    expect(body.request_id).toBe(headers.get('x-request-id'));
    const logged = failed.log.find(({ level }) => Number(level) >= 50);
    expect(logged).toMatchObject({ requestId: body.request_id, err: { message: 'secret: /etc/key' } });
    await failed.close();
  });
});

describe('a client that hangs up', () => {
  const head = (length: number) =>
    `POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: ${length}\r\n\r\n`;

  it('during its upload is dropped, and nothing is classified', async () => {
    let asked = 0;
    const watched = await startServer({
      classifier: {
        classify: (request) => {
          asked++;
          return colourClassifier.classify(request);
        },
      },
    });
    const multipart = head(10_000).replace('image/png', 'multipart/form-data; boundary=x');
    for (const start of [
      head(10_000),
      `${multipart}--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n`,
    ]) {
      const line = await openLine(watched.port);
      line.socket.write(`${start}half`);
      line.socket.end();
      await line.closed;
    }
    await expect.poll(() => watched.log.length).toBe(2);
    expect(watched.log.map(({ status }) => status)).toEqual([499, 499]);
    expect(watched.log.every(({ level }) => Number(level) < 40)).toBe(true);
    expect(asked).toBe(0);
    expect((await classifyRaw(watched, blue)).status).toBe(200);
    await watched.close();
  });

  it('while it waits for the answer has its work aborted', async () => {
    const started = deferred<ClassificationRequest>();
    const waiting = await startServer({
      classifier: {
        classify: (request) => {
          started.resolve(request);
          return new Promise((_, reject) =>
            request.signal.addEventListener('abort', () => reject(request.signal.reason)),
          );
        },
      },
    });
    const line = await openLine(waiting.port);
    line.socket.write(head(blue.length));
    line.socket.write(blue);
    const { signal } = await started.promise;
    expect(signal.aborted).toBe(false);
    line.socket.destroy();
    await expect.poll(() => signal.aborted).toBe(true);
    await expect.poll(() => waiting.log).toEqual([expect.objectContaining({ status: 499, level: 30 })]);
    await waiting.close();
  });
});
