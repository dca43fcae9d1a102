import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CONFIG, startServer, type TestServer } from './fixture.ts';

let server: TestServer;
beforeAll(async () => {
  const start = async () => PULL;
  const pulls = { start, demand: start, get: () => PULL, cancel: start, events: async function* () {} };
  server = await startServer({ config: { ...CONFIG, basePath: '/zoo' }, pulls });
});
afterAll(() => server.close());

const PULL = { model: 'tiny.test', state: 'running', progress: { phase: 'wait' }, change: 1 } as const;

const get = (path: string, accept = 'application/json') =>
  fetch(server.url + path, { redirect: 'manual', headers: { accept } });

describe('a server under BASE_PATH', () => {
  it.each(['/models', '/metrics', '/v2/health/live', '/docs', '/docs/swagger-ui.css', '/openapi.yaml'])(
    'answers with the prefix, and to a proxy that takes it off: %s',
    async (path) => {
      expect([(await get(`/zoo${path}`)).status, (await get(path)).status]).toEqual([200, 200]);
    },
  );

  it('answers under no other prefix', async () => {
    expect((await get('/zoological/models')).status).toBe(404);
    expect((await get('/zoo/zoo/models')).status).toBe(404);
  });

  it('leads to the page, whose links are relative', async () => {
    const { status, headers } = await get('/zoo?x=1');
    expect([status, headers.get('location')]).toEqual([308, '/zoo/?x=1']);
  });

  it('has the prefix in every link', async () => {
    const { links } = (await (await get('/zoo/')).json()) as { links: Record<string, string> };
    for (const link of Object.values(links)) expect(link).toMatch(/^\/zoo\//);
    expect((await get('/zoo/', 'text/html')).headers.get('location')).toBe('/zoo/docs');
    const pull = await fetch(`${server.url}/zoo/models/tiny.test/pull`, { method: 'POST' });
    expect(pull.headers.get('location')).toBe('/zoo/models/tiny.test/pull');
  });

  it('has it in the documentation', async () => {
    const docs = await (await get('/zoo/docs')).text();
    for (const [, file] of docs.matchAll(/(?:src|href)="([^"#]+)"/g)) expect(file).toMatch(/^\/zoo\/docs\//);
    expect(await (await get('/zoo/docs/swagger-ui-init.js')).text()).toContain('"swaggerUrl": "/zoo/openapi.yaml"');
    const openapi = await (await get('/zoo/openapi.yaml')).text();
    expect(openapi).toContain('  - url: /zoo\n');
    expect(openapi).toContain(`curl -F image=@photo.jpg '${server.url}/zoo/classify?top_k=3'`);
  });

  it('answers clients of the Open Inference Protocol with the errors that they read', async () => {
    const response = await fetch(`${server.url}/zoo/v2/nothing`);
    expect(await response.json()).toMatchObject({ code: 'route_not_found', error: expect.any(String) });
  });

  it('logs paths and counts routes without it', async () => {
    await get('/zoo/models');
    expect(server.log.at(-1)).toMatchObject({ path: '/models', status: 200 });
  });
});
