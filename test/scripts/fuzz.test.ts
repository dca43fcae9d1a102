import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import sharp from 'sharp';
import { describe, expect, onTestFinished, test } from 'vitest';
import { imageInput, seedImages } from '../../scripts/fuzz/image-inputs.ts';
import { faultOf } from '../../scripts/fuzz/judge.ts';
import { lieAboutSize } from '../../scripts/fuzz/lie-about-size.ts';
import { FuzzClient } from '../../scripts/fuzz/send.ts';
import { tensorInput } from '../../scripts/fuzz/tensor-inputs.ts';
import { seededRandom } from '../../src/common/random.ts';

const seeds = await seedImages();

describe('inputs', () => {
  test('are pictures of every format that is accepted, before they are damaged', async () => {
    const formats = await Promise.all(seeds.map(async (seed) => (await sharp(seed).metadata()).format));
    expect(new Set(formats)).toEqual(new Set(['jpeg', 'png', 'webp', 'gif', 'tiff', 'heif']));
  });

  test.each([
    ['image', imageInput],
    ['tensor', tensorInput],
  ])('%s inputs are the same for the same seed, and others for another', (_, input) => {
    expect(input(seeds, 1, 7)).toEqual(input(seeds, 1, 7));
    expect(input(seeds, 1, 7)).not.toEqual(input(seeds, 2, 7));
    expect(input(seeds, 1, 7)).not.toEqual(input(seeds, 1, 8));
  });

  test('lie about the size of every format', () => {
    for (const seed of seeds) {
      const changed = Array.from({ length: 20 }, (_, index) => lieAboutSize(seed, seededRandom(index)));
      expect(changed.some((bytes) => !bytes.equals(seed))).toBe(true);
      expect(changed.every((bytes) => bytes.length === seed.length)).toBe(true);
    }
  });
});

describe('faults', () => {
  const answer = (status: number, body: object, type = 'application/json') => ({
    kind: 'answer' as const,
    status,
    type,
    body: Buffer.from(JSON.stringify(body)),
  });
  const prediction = { label: 'dog', score: 0.5 };

  test.each([
    ['a server error', answer(500, { code: 'internal' }, 'application/problem+json')],
    ['a client error without a problem', answer(404, {})],
    ['a result without predictions', answer(200, { results: [{ predictions: [] }] })],
    ['a score that is not finite', answer(200, { results: [{ predictions: [{ ...prediction, score: null }] }] })],
    ['a reset', { kind: 'reset' as const, reason: 'ECONNRESET' }],
    ['a hang', { kind: 'hang' as const }],
  ])('are found: %s', (_, outcome) => {
    expect(faultOf('/classify', outcome)).toBeDefined();
  });

  test.each([
    ['a result', answer(200, { results: [{ predictions: [prediction] }] })],
    ['an image that is refused beside others', answer(200, { results: [{ error: { code: 'corrupt_image' } }] })],
    ['a problem', answer(422, { status: 422, code: 'corrupt_image', detail: 'damaged' }, 'application/problem+json')],
  ])('are not: %s', (_, outcome) => {
    expect(faultOf('/classify', outcome)).toBeUndefined();
  });

  async function sendTo(listener: RequestListener) {
    const http = createServer(listener).listen(0, '127.0.0.1');
    await new Promise((resolve) => http.once('listening', resolve));
    const client = new FuzzClient(`http://127.0.0.1:${(http.address() as AddressInfo).port}`, 1, 200);
    onTestFinished(() => {
      client.close();
      http.closeAllConnections();
      http.close();
    });
    return client.send({ path: '/', headers: {}, body: Buffer.from('x') });
  }

  test('are told apart on the wire: an answer, a reset before or in the middle of it, none in time', async () => {
    expect(await sendTo((_, response) => response.writeHead(400).end('no'))).toMatchObject({ status: 400 });
    expect(await sendTo((request) => request.socket.destroy())).toMatchObject({ kind: 'reset' });
    const cut: RequestListener = (request, response) => {
      response.writeHead(200, { 'content-length': 100 }).write('x');
      setImmediate(() => request.socket.destroy());
    };
    expect(await sendTo(cut)).toMatchObject({ kind: 'reset' });
    expect(await sendTo(() => {})).toEqual({ kind: 'hang' });
  });
});
