import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startServer, type TestServer } from './fixture.ts';

const webDir = mkdtempSync(join(tmpdir(), 'menagerie-page-'));
let server: TestServer;

beforeAll(async () => {
  mkdirSync(join(webDir, 'assets'));
  writeFileSync(join(webDir, 'index.html'), '<!doctype html><title>Menagerie</title>');
  writeFileSync(join(webDir, 'edge.html'), '<!doctype html><title>In browser</title>');
  writeFileSync(join(webDir, 'edge-worker.js'), 'self;');
  writeFileSync(join(webDir, 'assets', 'index-a1b2c3.js'), 'export {};');
  writeFileSync(join(webDir, 'assets', 'index-a1b2c3.js.br'), brotliCompressSync('export {};'));
  server = await startServer({ webDir });
});

afterAll(async () => {
  await server.close();
  rmSync(webDir, { recursive: true });
});

const open = () => fetch(server.url, { headers: { accept: 'text/html' } });

describe('the page', () => {
  test('is sent to browsers, with a policy that forbids inline scripts and foreign sources', async () => {
    const response = await open();
    expect(await response.text()).toContain('<title>Menagerie</title>');
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'self'");
    expect(policy).not.toContain('unsafe-inline');
    expect(policy).not.toMatch(/https?:/);
  });

  test('may have a service worker and a manifest where it works offline, and nowhere else', async () => {
    const policyAt = async (path: string) => {
      const response = await fetch(server.url + path, { headers: { accept: 'text/html' } });
      return response.headers.get('content-security-policy');
    };
    expect(await policyAt('/')).toContain("worker-src 'none'; manifest-src 'none'");
    expect(await policyAt('/edge')).toContain("worker-src 'self'; manifest-src 'self'");
    expect(await policyAt('/edge-worker.js')).toBe("default-src 'none'; connect-src 'self'; frame-ancestors 'none'");
    const worker = await fetch(`${server.url}/edge-worker.js`);
    expect([worker.headers.get('content-type'), worker.headers.get('cache-control')]).toEqual([
      'text/javascript; charset=utf-8',
      'no-cache',
    ]);
    // Relative addresses in the page would count from /edge/.
    expect((await fetch(`${server.url}/edge/`)).status).toBe(404);
  });

  test('is revalidated by browsers, and sent again only when it has changed', async () => {
    const first = await open();
    expect(first.headers.get('cache-control')).toBe('no-cache');
    // By hand: fetch would ask around every cache.
    const since = first.headers.get('last-modified') ?? '';
    const again = get(server.url, { headers: { accept: 'text/html', 'if-modified-since': since } });
    const [response] = await once(again, 'response');
    expect(response.statusCode).toBe(304);
    response.resume();
  });

  test('has files that browsers may cache for ever: their names contain their digests', async () => {
    const response = await fetch(`${server.url}/assets/index-a1b2c3.js`);
    expect(response.headers.get('content-type')).toContain('javascript');
    expect(response.headers.get('cache-control')).toContain('immutable');
    expect(response.headers.get('etag')).not.toBeNull();
  });

  test('has files that the build has compressed, for browsers that accept that', async () => {
    const asked = (encoding: string) =>
      fetch(`${server.url}/assets/index-a1b2c3.js`, { headers: { 'accept-encoding': encoding } });
    const [plain, compressed] = await Promise.all([asked('identity'), asked('gzip, br')]);
    expect(plain.headers.get('content-encoding')).toBeNull();
    expect(compressed.headers.get('content-encoding')).toBe('br');
    expect(compressed.headers.get('content-type')).toContain('javascript');
    expect(await compressed.text()).toBe(await plain.text());
    // A cache keeps the two apart.
    for (const { headers } of [plain, compressed]) expect(headers.get('vary')).toContain('Accept-Encoding');
    expect(compressed.headers.get('etag')).not.toBe(plain.headers.get('etag'));
  });

  test.each(['/assets/', '/assets/none.js', '/assets/../index.html', '/assets/%2e%2e/index.html'])(
    'gives nothing else away: %s',
    async (path) => {
      expect((await fetch(server.url + path)).status).toBe(404);
    },
  );

  test('and says what is wrong with a broken address', async () => {
    const response = await fetch(`${server.url}/assets/%E0%A4%A`);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'invalid_request' });
  });
});
