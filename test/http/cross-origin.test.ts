import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { picture } from '../image/pictures.ts';
import { startServer, type TestServer } from './fixture.ts';

let server: TestServer;
let photo: Buffer;

beforeAll(async () => {
  server = await startServer();
  photo = await picture(8, 8, () => [255, 0, 0])
    .jpeg()
    .toBuffer();
});
afterAll(() => server.close());

/** Sends a photo with the headers of whoever asks; `fetch` would set some of its own. */
function classifyAs(headers: Readonly<Record<string, string>>): Promise<{ status: number | undefined; text: string }> {
  return new Promise((resolve, reject) => {
    const all = { 'Content-Type': 'image/jpeg', ...headers };
    const asked = request(`${server.url}/classify`, { method: 'POST', headers: all }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode, text }));
    });
    asked.on('error', reject);
    asked.end(photo);
  });
}

describe('a request that changes or computes something', () => {
  it.each<[string, Record<string, string>]>([
    ['another site', { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' }],
    ['another port of this host', { 'Sec-Fetch-Site': 'same-site', Origin: 'http://127.0.0.1:1' }],
    ['another site, by an old browser', { Origin: 'https://evil.example' }],
    ['a file or a sandboxed frame', { Origin: 'null' }],
  ])('is refused to a page of %s', async (_, headers) => {
    const { status, text } = await classifyAs(headers);
    expect([status, JSON.parse(text).code]).toEqual([403, 'cross_origin']);
  });

  it('is taken from the pages of this server and from programs', async () => {
    const own = `http://127.0.0.1:${server.port}`;
    const sources = [
      { 'Sec-Fetch-Site': 'same-origin', Origin: own },
      { 'Sec-Fetch-Site': 'none' },
      { Origin: own },
      {},
    ];
    for (const headers of sources) expect((await classifyAs(headers)).status).toBe(200);
  });

  it('and reading is open to all', async () => {
    const response = await fetch(`${server.url}/models`, { headers: { Origin: 'https://evil.example' } });
    expect(response.status).toBe(200);
  });
});
