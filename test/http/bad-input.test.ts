import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { blackPng, picture, waves } from '../image/pictures.ts';
import { type Answer, ask, CONFIG, classify, classifyRaw, startServer, type TestServer } from './fixture.ts';

const red = () => picture(60, 40, () => [250, 10, 10]);

let server: TestServer;
let photo: Buffer;

beforeAll(async () => {
  server = await startServer();
  photo = await red().jpeg().toBuffer();
});
afterAll(() => server.close());

/** Whatever was sent: the next good photo is answered, and nothing was the server's fault. */
afterEach(async () => {
  const { status, body } = await classifyRaw(server, photo);
  expect(status).toBe(200);
  expect(body.results[0]?.predictions[0]?.label).toBe('red');
  expect(server.log.filter(({ level }) => Number(level) >= 40)).toEqual([]);
});

const refused = ({ status, body }: Answer) => ({ status, code: body.code, detail: body.detail });

describe('bodies without an image', () => {
  it('an empty body with the type of an image', async () => {
    expect(refused(await classifyRaw(server, ''))).toMatchObject({ status: 400, code: 'no_image' });
  });

  it('a form without parts', async () => {
    expect(refused(await classify(server, {}))).toMatchObject({ status: 400, code: 'no_image' });
  });

  it('a part of 0 bytes', async () => {
    const answer = refused(await classify(server, { 'nothing.jpg': new Uint8Array(0) }));
    expect(answer).toMatchObject({ status: 400, code: 'empty_image' });
  });

  it('a part with another name; the error has the name', async () => {
    const body = new FormData();
    body.append('photo', new Blob([Uint8Array.from(photo)]), 'a.jpg');
    const answer = refused(await ask(server, '/classify', { method: 'POST', body }));
    expect(answer).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(answer.detail).toContain('"photo"');
    expect(answer.detail).toContain('"image"');
  });

  it('an image in a text field of the form', async () => {
    const answer = refused(await classify(server, {}, { fields: { image: 'photo.jpg' } }));
    expect(answer).toMatchObject({ status: 400, code: 'no_image' });
    expect(answer.detail).toContain('as a file');
  });

  it('a truncated form, or one without a boundary', async () => {
    const cut = '--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\nabc';
    for (const type of ['multipart/form-data; boundary=x', 'multipart/form-data']) {
      const answer = refused(await classifyRaw(server, cut, type));
      expect(answer).toMatchObject({ status: 400, code: 'malformed_multipart' });
    }
  });

  it('text that curl sends unless it is told a type', async () => {
    const answer = refused(await classifyRaw(server, 'image=photo.jpg', 'application/x-www-form-urlencoded'));
    expect(answer).toMatchObject({ status: 415, code: 'unsupported_media_type' });
  });

  it.each(['text/plain', 'application/xml'])('a body of %s', async (type) => {
    const answer = refused(await classifyRaw(server, photo, type));
    expect(answer).toMatchObject({ status: 415, code: 'unsupported_media_type' });
    expect(answer.detail).toContain('image/jpeg');
  });
});

describe('files that are no complete image', () => {
  it('text called .jpg', async () => {
    const answer = refused(await classify(server, { 'photo.jpg': Buffer.from('not a photo at all') }));
    expect(answer).toMatchObject({ status: 415, code: 'unsupported_image' });
    expect(answer.detail).toContain('JPEG, PNG');
  });

  it('an SVG', async () => {
    const svg = '<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>';
    expect(refused(await classifyRaw(server, svg, 'image/svg+xml'))).toMatchObject({
      status: 415,
      code: 'unsupported_image',
    });
  });

  it('a truncated JPEG', async () => {
    for (const share of [0.3, 0.97]) {
      const cut = photo.subarray(0, Math.floor(photo.length * share));
      const answer = refused(await classify(server, { 'cut.jpg': cut }));
      expect(answer).toMatchObject({ status: 422, code: 'corrupt_image' });
      expect(answer.detail).toContain('cut short');
    }
  });

  it('one bad image does not affect the others', async () => {
    const cut = photo.subarray(0, photo.length >> 1);
    const images = {
      'a.jpg': photo,
      'b.txt': Buffer.from('text'),
      'c.jpg': cut,
      'd.jpg': Buffer.alloc(0),
      'e.jpg': photo,
    };
    const { status, body } = await classify(server, images, { fields: { top_k: '1' } });
    expect(status).toBe(200);
    const seen = body.results.map(({ filename, error }) => [filename, error?.code ?? 'classified']);
    expect(seen).toEqual([
      ['a.jpg', 'classified'],
      ['b.txt', 'unsupported_image'],
      ['c.jpg', 'corrupt_image'],
      ['d.jpg', 'empty_image'],
      ['e.jpg', 'classified'],
    ]);
  });
});

describe('unusual images that are classified', () => {
  const odd: Record<string, () => Promise<Buffer>> = {
    'an animated GIF': async () => {
      const frames = ['#ff0000', '#0000ff'].map((background) =>
        sharp({ create: { width: 20, height: 20, channels: 3, background } })
          .png()
          .toBuffer(),
      );
      return sharp(await Promise.all(frames), { join: { animated: true } })
        .gif()
        .toBuffer();
    },
    'a CMYK JPEG': () => red().toColourspace('cmyk').jpeg().toBuffer(),
    'a 16-bit PNG': () => red().toColourspace('rgb16').png().toBuffer(),
    'an EXIF-rotated photo': () => red().withMetadata({ orientation: 6 }).jpeg().toBuffer(),
    'a 1 x 1 image': () =>
      picture(1, 1, () => [255, 0, 0])
        .png()
        .toBuffer(),
    'a 5000 x 1 image': () =>
      picture(5000, 1, () => [255, 0, 0])
        .png()
        .toBuffer(),
    'a 1 x 5000 image': () =>
      picture(1, 5000, () => [255, 0, 0])
        .png()
        .toBuffer(),
  };

  it.each(Object.entries(odd))('%s', async (_, file) => {
    const { status, body } = await classify(server, { odd: await file() });
    expect(status).toBe(200);
    expect(body.results[0]?.predictions[0]?.label).toBe('red');
  });

  it('grey with alpha', async () => {
    const file = await sharp(Buffer.alloc(20 * 20 * 2, 120), { raw: { width: 20, height: 20, channels: 2 } })
      .toColourspace('b-w')
      .png()
      .toBuffer();
    const { body } = await classify(server, { 'grey.png': file });
    const scores = body.results[0]?.predictions.map(({ score }) => score) ?? [];
    expect(Math.max(...scores) - Math.min(...scores)).toBeLessThan(0.001);
  });

  it('a file name in another alphabet is returned unchanged', async () => {
    const { body } = await classify(server, { 'Größe 木.jpg': photo });
    expect(body.results[0]?.filename).toBe('Größe 木.jpg');
  });
});

describe('requests over a limit', () => {
  it('100 parts', async () => {
    const images = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`${i}.jpg`, photo]));
    const answer = refused(await classify(server, images));
    expect(answer).toMatchObject({ status: 413, code: 'too_many_images' });
    expect(answer.detail).toContain(String(CONFIG.maxImages));
  });

  it('exactly as many parts as allowed are accepted', async () => {
    const images = Object.fromEntries(Array.from({ length: CONFIG.maxImages }, (_, i) => [`${i}.jpg`, photo]));
    const { status, body } = await classify(server, images);
    expect([status, body.results.length]).toEqual([200, CONFIG.maxImages]);
  });

  it('a small PNG file of 30,000 x 30,000 pixels', async () => {
    const bomb = blackPng(30_000, 30_000);
    const { status, body } = await classify(server, { 'bomb.png': bomb });
    expect({ status, code: body.code }).toEqual({ status: 413, code: 'image_too_large' });
    expect(body.context).toMatchObject({ width: 30_000, height: 30_000, max_pixels: 50_000_000 });
  });

  it('a raw body over the limit', async () => {
    const answer = refused(await classifyRaw(server, Buffer.alloc(CONFIG.maxImageBytes + 1)));
    expect(answer).toMatchObject({ status: 413, code: 'body_too_large' });
    expect(answer.detail).toContain(String(CONFIG.maxImageBytes));
  });

  it('a file over the limit in a form below its limit', async () => {
    const answer = refused(await classify(server, { 'big.jpg': Buffer.alloc(CONFIG.maxImageBytes + 1) }));
    expect(answer).toMatchObject({ status: 413, code: 'body_too_large' });
  });

  it('a form over the limit', async () => {
    const part = Buffer.alloc(CONFIG.maxImageBytes);
    const images = Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`${i}.jpg`, part]));
    expect(refused(await classify(server, images))).toMatchObject({ status: 413, code: 'body_too_large' });
  });
});

describe('wrong options', () => {
  it.each([
    ['?top_k=0', 'top_k'],
    ['?top_k=abc', 'top_k'],
    ['?top_k=-1', 'top_k'],
    ['?top_k=2.5', 'top_k'],
    ['?top_k=', 'top_k'],
    ['?top_k=1&top_k=2', 'top_k'],
    ['?threshold=2', 'threshold'],
    ['?threshold=x', 'threshold'],
    ['?runtime=torch', 'runtime'],
    ['?model=', 'model'],
    ['?topk=3', 'topk'],
  ])('%s', async (query, field) => {
    for (const answer of [
      await classifyRaw(server, photo, 'image/jpeg', query),
      await classify(server, { 'a.jpg': photo }, { query }),
    ]) {
      expect(refused(answer)).toMatchObject({ status: 400, code: 'invalid_request' });
      expect(answer.body.context['errors']).toEqual([expect.objectContaining({ field })]);
      expect(answer.body.detail).toContain(field);
    }
  });

  it('as fields of the form', async () => {
    const { status, body } = await classify(server, { 'a.jpg': photo }, { fields: { top_k: '0', threshold: '-1' } });
    expect(status).toBe(400);
    expect(body.context['errors']).toMatchObject([{ field: 'top_k' }, { field: 'threshold' }]);
  });

  it('an unknown model; the error lists the known ones', async () => {
    const answer = refused(await classify(server, { 'a.jpg': photo }, { query: '?model=nobody' }));
    expect(answer).toMatchObject({ status: 404, code: 'model_not_found' });
    expect(answer.detail).toContain('tiny.test');
  });
});

it('damaged files are classified or refused, never an internal error', async () => {
  const source = await picture(80, 80, waves).webp().toBuffer();
  for (let seed = 1; seed <= 40; seed++) {
    const damaged = Buffer.from(source);
    for (let i = 0; i < 5; i++) damaged[(seed * 7919 + i * 104_729) % damaged.length] = (seed * 31 + i * 17) & 255;
    const { status } = await classifyRaw(server, damaged, 'image/webp');
    expect([200, 415, 422, 413]).toContain(status);
  }
});
