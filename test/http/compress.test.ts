import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { picture } from '../image/pictures.ts';
import { classify, startServer, type TestServer } from './fixture.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

const get = (path: string, encoding: string) =>
  fetch(server.url + path, { headers: { 'accept-encoding': encoding, accept: 'text/html' } });

describe('a text', () => {
  it.each(['/openapi.yaml', '/metrics', '/docs', '/docs/swagger-ui.css'])('is compressed: %s', async (path) => {
    for (const encoding of ['br', 'gzip']) {
      const { headers } = await get(path, encoding);
      expect([headers.get('content-encoding'), headers.get('vary')]).toEqual([
        encoding,
        expect.stringContaining('Accept-Encoding'),
      ]);
    }
  });

  it('is the same text', async () => {
    const plain = await get('/openapi.yaml', 'identity');
    expect(await (await get('/openapi.yaml', 'br')).text()).toBe(await plain.text());
  });

  it('is sent as it is to a client that accepts nothing else, and where it is short', async () => {
    const plain = await get('/openapi.yaml', 'identity');
    expect([plain.headers.get('content-encoding'), plain.headers.get('vary')]).toEqual([null, 'Accept-Encoding']);
    expect((await get('/v2/health/live', 'br, gzip')).headers.get('content-encoding')).toBeNull();
  });

  it('is compressed where it is the answer about many images', async () => {
    const red = await picture(8, 8, () => [255, 0, 0])
      .png()
      .toBuffer();
    const images = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`${index}.png`, red]));
    const { headers, body } = await classify(server, images);
    expect([headers.get('content-encoding'), body.results.length]).toEqual([expect.stringMatching(/br|gzip/), 20]);
  });
});

describe('an error', () => {
  it('is never compressed: it must reach a client that is still sending', async () => {
    const query = Array.from({ length: 40 }, (_, index) => `${'unknown'.repeat(15)}${index}=1`).join('&');
    const response = await fetch(`${server.url}/models/none/report?${query}`, {
      headers: { 'accept-encoding': 'gzip' },
    });
    const text = await response.text();
    expect([response.status, response.headers.get('content-encoding')]).toEqual([400, null]);
    expect(text.length).toBeGreaterThan(1_400);
  });
});
