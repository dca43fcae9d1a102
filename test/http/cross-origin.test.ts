import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { picture } from '../image/pictures.ts';
import { CONFIG, startServer, type TestServer } from './fixture.ts';

let server: TestServer;
let photo: Buffer;

beforeAll(async () => {
  server = await startServer();
  photo = await picture(8, 8, () => [255, 0, 0])
    .jpeg()
    .toBuffer();
});
afterAll(() => server.close());

/** Sends a request with the headers of a browser or a proxy; `fetch` would set some of its own. */
function requestAs(
  headers: Readonly<Record<string, string>>,
  { to = server, method = 'POST', path = '/classify' } = {},
): Promise<[status: number | undefined, code: string | undefined, detail: string]> {
  return new Promise((resolve, reject) => {
    const all = { ...(method === 'POST' && { 'Content-Type': 'image/jpeg' }), ...headers };
    const asked = request(`${to.url}${path}`, { method, headers: all }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => {
        const { code, detail = '' } = JSON.parse(text);
        resolve([response.statusCode, code, detail]);
      });
    });
    asked.on('error', reject);
    asked.end(method === 'POST' ? photo : undefined);
  });
}

const statusOf = async (...asked: Parameters<typeof requestAs>) => (await requestAs(...asked))[0];

describe('a request that changes or computes something', () => {
  it.each<[string, Record<string, string>]>([
    ['another site', { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' }],
    ['another port of this host', { 'Sec-Fetch-Site': 'same-site', Origin: 'http://127.0.0.1:1' }],
    ['another site, by an old browser', { Origin: 'https://evil.example' }],
    ['a file or a sandboxed frame', { Origin: 'null' }],
    [
      'another site that claims to be behind a proxy',
      { Origin: 'https://evil.example', 'X-Forwarded-Host': 'evil.example' },
    ],
  ])('is refused to a page of %s', async (_, headers) => {
    expect(await requestAs(headers)).toEqual([403, 'cross_origin', expect.stringContaining('ALLOWED_HOSTS')]);
  });

  it('is accepted from the pages of this server and from programs', async () => {
    const own = `http://127.0.0.1:${server.port}`;
    const sources = [
      { 'Sec-Fetch-Site': 'same-origin', Origin: own },
      { 'Sec-Fetch-Site': 'none' },
      { Origin: own },
      {},
    ];
    for (const headers of sources) expect(await statusOf(headers)).toBe(200);
  });

  it('can be read as a refusal by the script that sent it, with the setting that would allow it', async () => {
    const headers = { Origin: 'https://app.example', 'Content-Type': 'image/jpeg' };
    const refused = await fetch(`${server.url}/classify`, { method: 'POST', body: Uint8Array.from(photo), headers });
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([403, 'https://app.example']);
    expect(await refused.text()).toContain('ALLOWED_ORIGINS=https://app.example');
  });
});

describe('a request that reads', () => {
  const read = (headers: Record<string, string>) => requestAs(headers, { method: 'GET', path: '/models' });

  it('is refused to a script of another origin', async () => {
    expect((await read({ Origin: 'https://evil.example' })).slice(0, 2)).toEqual([403, 'cross_origin']);
  });

  it('is answered to a link and a picture on another page, which cannot read the answer', async () => {
    expect((await read({ 'Sec-Fetch-Site': 'cross-site' }))[0]).toBe(200);
  });
});

describe('pages of ALLOWED_ORIGINS', () => {
  const app = 'https://app.example';
  let open: TestServer;
  beforeAll(async () => {
    const allowedOrigins = 'https://app.example, http://localhost:5173';
    open = await startServer({ config: { ...CONFIG, allowedOrigins, maxImageBytes: photo.length } });
  });
  afterAll(() => open.close());

  const preflight = (origin: string, method = 'POST', headers = 'authorization,content-type') =>
    fetch(`${open.url}/classify`, {
      method: 'OPTIONS',
      headers: {
        Origin: origin,
        'Access-Control-Request-Method': method,
        'Access-Control-Request-Headers': headers,
      },
    });
  const post = (origin: string, body: Buffer) =>
    fetch(`${open.url}/classify`, {
      method: 'POST',
      body: Uint8Array.from(body),
      headers: { Origin: origin, 'Content-Type': 'image/jpeg', 'Sec-Fetch-Site': 'cross-site' },
    });

  it('may ask first which methods and headers they may send', async () => {
    const { status, headers } = await preflight(app, 'DELETE');
    expect(status).toBe(204);
    expect(headers.get('access-control-allow-origin')).toBe(app);
    expect(headers.get('access-control-allow-methods')).toContain('DELETE');
    expect(headers.get('access-control-allow-headers')?.toLowerCase().split(', ')).toEqual(
      expect.arrayContaining(['authorization', 'x-api-key', 'content-type', 'content-encoding', 'last-event-id']),
    );
    expect(Number(headers.get('access-control-max-age'))).toBeGreaterThan(600);
    expect(headers.get('vary')).toContain('Origin');
  });

  it('get answers and errors that they can read, without cookies', async () => {
    for (const [body, status] of [
      [photo, 200],
      [Buffer.concat([photo, photo]), 413],
    ] as const) {
      const answer = await post(app, body);
      expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([status, app]);
      expect(answer.headers.get('access-control-expose-headers')).toMatch(/Location.*Retry-After/);
      expect(answer.headers.get('access-control-allow-credentials')).toBeNull();
      expect(answer.headers.get('vary')).toContain('Origin');
    }
  });

  it.each(['https://evil.example', 'https://app.example.evil.example', 'http://app.example', 'null'])(
    'are not pages of %s',
    async (origin) => {
      const asked = await preflight(origin);
      expect([asked.status, asked.headers.get('access-control-allow-origin')]).toEqual([403, null]);
      expect((await post(origin, photo)).status).toBe(403);
    },
  );

  it('and the answer to a program says that it depends on the origin', async () => {
    const { headers } = await fetch(`${open.url}/models`);
    expect([headers.get('vary'), headers.get('access-control-allow-origin')]).toEqual([
      expect.stringContaining('Origin'),
      null,
    ]);
  });
});

describe('the host name of a request', () => {
  it.each([
    'localhost',
    'LOCALHOST:8080',
    'menagerie.localhost',
    '127.0.0.1',
    '127.1.2.3:80',
    '[::1]:8080',
    '[::ffff:127.0.0.1]:80',
  ])('is answered when it is a name of this machine: %s', async (Host) => expect(await statusOf({ Host })).toBe(200));

  it.each([
    'evil.example',
    'evil.example:8080',
    'localhost.evil.example',
    '10.0.0.1',
    '127.0.0.1.evil.example',
    '[::2]',
    '@',
  ])('is refused when it is not a name of this machine: %s', async (Host) => {
    const own = { Host, Origin: `http://${Host}`, 'X-Forwarded-Host': 'localhost' };
    for (const [method, path] of [
      ['POST', '/classify'],
      ['GET', '/models'],
      ['GET', '/metrics'],
    ] as const) {
      expect((await requestAs(own, { method, path })).slice(0, 2)).toEqual([421, 'host_not_allowed']);
    }
  });

  it('is in the error, with the setting that would allow it', async () => {
    const [, , detail] = await requestAs({ Host: 'lab.example:8080' });
    expect(detail).toContain('ALLOWED_HOSTS=lab.example');
  });

  it('is not checked for health checks, which containers get under the name of their service', async () => {
    expect(await statusOf({ Host: 'menagerie' }, { method: 'GET', path: '/v2/health/live' })).toBe(200);
  });

  it('may be listed in ALLOWED_HOSTS', async () => {
    const config = { ...CONFIG, host: '127.0.0.1', allowedHosts: 'lab.example, other.example' };
    const named = await startServer({ config });
    expect(await statusOf({ Host: 'lab.example:80' }, { to: named })).toBe(200);
    expect(await statusOf({ Host: 'evil.example' }, { to: named })).toBe(421);
    await named.close();
  });

  it('is not checked on a network address unless ALLOWED_HOSTS is set; IP addresses are always accepted', async () => {
    const open = await startServer({ config: { ...CONFIG, host: '0.0.0.0' } });
    expect(await statusOf({ Host: 'gpu-box' }, { to: open })).toBe(200);
    await open.close();
    const named = await startServer({ config: { ...CONFIG, host: '0.0.0.0', allowedHosts: 'lab.example' } });
    for (const [Host, status] of [
      ['lab.example', 200],
      ['10.1.2.3:8080', 200],
      ['[fe80::1]', 200],
      ['evil.example', 421],
    ] as const) {
      expect([Host, await statusOf({ Host }, { to: named })]).toEqual([Host, status]);
    }
    await named.close();
  });
});

describe('behind a proxy that changes Host', () => {
  const Host = '127.0.0.1:8080';

  it('the page is recognized by X-Forwarded-Host and X-Forwarded-Proto if they are trusted', async () => {
    const trusting = await startServer({ config: { ...CONFIG, trustProxy: 1 } });
    const page = {
      Host,
      Origin: 'https://lab.example',
      'X-Forwarded-Host': 'lab.example, inner',
      'X-Forwarded-Proto': 'https',
    };
    expect(await statusOf(page, { to: trusting })).toBe(200);
    expect(await statusOf({ ...page, Origin: 'https://evil.example' }, { to: trusting })).toBe(403);
    expect(await statusOf({ ...page, Origin: 'http://lab.example' }, { to: trusting })).toBe(403);
    expect(await statusOf(page)).toBe(403);
    await trusting.close();
  });

  it('the name that the proxy was asked for must be one of ALLOWED_HOSTS, where they list any', async () => {
    const trusting = await startServer({ config: { ...CONFIG, trustProxy: 1, allowedHosts: 'lab.example' } });
    const asked = (name: string) => ({ Host, Origin: `https://${name}`, 'X-Forwarded-Host': name });
    expect(await statusOf(asked('lab.example'), { to: trusting })).toBe(200);
    expect((await requestAs(asked('evil.example'), { to: trusting })).slice(0, 2)).toEqual([421, 'host_not_allowed']);
    await trusting.close();
  });

  it('the error says which setting would allow the page, with its port', async () => {
    const [, , detail] = await requestAs({ Host, Origin: 'http://lab.example:8090' });
    expect(detail).toContain('ALLOWED_HOSTS=lab.example:8090');
  });

  it('the page is recognized by ALLOWED_HOSTS if the proxy forwards no names', async () => {
    const named = await startServer({ config: { ...CONFIG, allowedHosts: 'lab.example' } });
    expect(await statusOf({ Host, Origin: 'https://lab.example' }, { to: named })).toBe(200);
    expect(await statusOf({ Host, Origin: 'https://lab.example:8443' }, { to: named })).toBe(403);
    await named.close();
  });
});
