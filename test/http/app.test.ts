import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { picture } from '../image/pictures.ts';
import { ask, CARD, classifyRaw, OPENAPI, openLine, startServer, type TestServer } from './fixture.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

describe('every answer', () => {
  it('has an id of its own, or that of the request', async () => {
    const first = (await ask(server, '/models')).headers.get('x-request-id');
    const second = (await ask(server, '/models')).headers.get('x-request-id');
    expect(first).not.toBe(second);
    const { headers, body } = await ask(server, '/nowhere', { headers: { 'X-Request-Id': 'abc-1' } });
    expect([headers.get('x-request-id'), body.request_id]).toEqual(['abc-1', 'abc-1']);
    const odd = await ask(server, '/models', { headers: { 'X-Request-Id': 'a b"c' } });
    expect(odd.headers.get('x-request-id')).not.toContain('"');
  });

  it('has headers against sniffing, framing and foreign sources', async () => {
    const { headers } = await ask(server, '/models');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('x-frame-options')).toBe('DENY');
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(headers.get('x-powered-by')).toBeNull();
  });

  it('is logged in one line, without query and body', async () => {
    const id = 'line-in-the-log';
    const init = { method: 'POST', body: 'password', headers: { 'X-Request-Id': id, Authorization: 'Bearer s3cret' } };
    await ask(server, '/classify?model=s3cret', init);
    const lines = server.log.filter(({ requestId }) => requestId === id);
    expect(lines).toEqual([expect.objectContaining({ method: 'POST', path: '/classify', status: 415, level: 30 })]);
    expect(JSON.stringify(lines)).not.toMatch(/s3cret|password/);
  });

  it('is logged with client, model, images and bytes', async () => {
    const photo = await picture(30, 20, () => [9, 9, 9])
      .png()
      .toBuffer();
    const headers = { 'Content-Type': 'image/png', 'X-Request-Id': 'whole-line' };
    await fetch(`${server.url}/classify`, { method: 'POST', body: Uint8Array.from(photo), headers });
    const line = { client: '127.0.0.1', model: 'tiny.test@1', images: 1, receivedBytes: photo.length, status: 200 };
    await expect.poll(() => server.log.find(({ requestId }) => requestId === 'whole-line')).toMatchObject(line);
    expect(Number(server.log.find(({ requestId }) => requestId === 'whole-line')?.['sentBytes'])).toBeGreaterThan(100);
  });

  it('stays in the trace of its caller', async () => {
    const trace = '0af7651916cd43dd8448eb211c80319c';
    const { headers, text } = await ask(server, '/nowhere', {
      headers: { traceparent: `00-${trace}-b7ad6b7169203331-00` },
    });
    expect(headers.get('traceresponse')).toMatch(new RegExp(`^00-${trace}-(?!b7ad6b7169203331)[0-9a-f]{16}-00$`));
    expect(JSON.parse(text).trace_id).toBe(trace);
    expect(server.log.some(({ traceId }) => traceId === trace)).toBe(true);
    const { headers: others } = await ask(server, '/nowhere', { headers: { traceparent: 'junk' } });
    expect(others.get('traceresponse')).toBeNull();
  });
});

describe('what does not exist', () => {
  it('a path', async () => {
    const { status, body } = await ask(server, '/clasify', { method: 'POST', body: 'x' });
    expect([status, body.code]).toEqual([404, 'route_not_found']);
    expect(body.detail).toContain('/clasify');
  });

  it.each([
    ['/classify', 'GET', 'POST'],
    ['/classify', 'DELETE', 'POST'],
    ['/models', 'POST', 'GET, HEAD'],
    ['/models/tiny.test', 'PUT', 'GET, DELETE, HEAD'],
    ['/docs', 'POST', 'GET, HEAD'],
  ])('a method: %s by %s', async (path, method, allow) => {
    const { status, headers, body } = await ask(server, path, { method });
    expect([status, body.code, headers.get('allow')]).toEqual([405, 'method_not_allowed', allow]);
    expect(body.detail).toContain(method);
  });

  it('a model', async () => {
    const { status, body } = await ask(server, '/models/nobody');
    expect([status, body.code]).toEqual([404, 'model_not_found']);
  });

  it('a path that cannot be decoded', async () => {
    const { status, body } = await ask(server, '/models/%E0%A4%A');
    expect([status, body.code]).toEqual([400, 'invalid_request']);
  });
});

describe('models', () => {
  it('are listed and described', async () => {
    const { text } = await ask(server, '/models');
    expect(JSON.parse(text).models).toEqual([expect.objectContaining({ id: 'tiny.test', default: true })]);
    expect((await ask(server, '/models/tiny.test')).body).toEqual(CARD);
  });

  it('answer HEAD like GET, without a body', async () => {
    const response = await fetch(`${server.url}/models`, { method: 'HEAD' });
    expect([response.status, await response.text()]).toEqual([200, '']);
    expect(Number(response.headers.get('content-length'))).toBeGreaterThan(10);
  });
});

describe('health', () => {
  it('is live, and ready when the default model answers', async () => {
    expect((await ask(server, '/v2/health/live')).body).toEqual({ live: true });
    expect((await ask(server, '/v2/health/ready')).body).toEqual({ ready: true, warnings: [] });
  });

  it('lists warnings although it is ready', async () => {
    const warnings = ['Engines that do not respond: 1 of 2.'];
    const degraded = await startServer({ warnings: () => warnings });
    expect((await ask(degraded, '/v2/health/ready')).body).toEqual({ ready: true, warnings });
    await degraded.close();
  });

  it('says why it is not ready', async () => {
    const starting = await startServer({ readiness: () => ({ ready: false, reason: 'it is being converted' }) });
    const { status, body, headers } = await ask(starting, '/v2/health/ready');
    expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'model_unavailable', '1']);
    expect(body.detail).toContain('it is being converted');
    // Probes ask every few seconds.
    expect(starting.log.filter(({ level }) => Number(level) > 20)).toEqual([]);
    await starting.close();
  });
});

describe('while it shuts down', () => {
  it('refuses work and closes connections, but answers health checks', async () => {
    const stopping = await startServer({ isShuttingDown: () => true });
    const refused = await classifyRaw(stopping, 'x');
    expect([refused.status, refused.body.code]).toEqual([503, 'shutting_down']);
    expect(refused.headers.get('connection')).toBe('close');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    for (const path of ['/models', '/models/tiny.test', '/', '/docs', '/openapi.yaml']) {
      expect((await ask(stopping, path)).body.code).toBe('shutting_down');
    }
    expect((await ask(stopping, '/v2/health/live')).status).toBe(200);
    expect((await ask(stopping, '/v2/health/ready')).body.code).toBe('shutting_down');
    expect((await ask(stopping, '/metrics')).status).toBe(200);
    await stopping.close();
  });
});

describe('documentation', () => {
  it('redirects browsers to the docs when the page is not built, and sends links to other clients', async () => {
    const browser = await ask(server, '/', { headers: { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } });
    expect([browser.status, browser.headers.get('location')]).toEqual([302, '/docs']);
    const { text } = await ask(server, '/');
    expect(JSON.parse(text).links).toMatchObject({ docs: '/docs', openapi: '/openapi.yaml' });
  });

  it('openapi.yaml is served as it is in the repository, with the address that was asked in its commands', async () => {
    expect((await ask(server, '/openapi.yaml')).text).toBe(OPENAPI.replaceAll('http://127.0.0.1:8080', server.url));
  });

  it('Swagger UI loads only files of this server', async () => {
    const { text, headers } = await ask(server, '/docs');
    expect(headers.get('content-security-policy')).toContain("connect-src 'self'");
    const files = [...text.matchAll(/(?:src|href)="([^"#]+)"/g)].map(([, file]) => file ?? '');
    expect(files).toContain('/docs/swagger-ui-bundle.js');
    const scripts = await Promise.all(
      files.map(async (file) => {
        expect(file.startsWith('/docs/')).toBe(true);
        const response = await fetch(server.url + file);
        expect(response.status, file).toBe(200);
        return response.text();
      }),
    );
    const start = scripts.find((script) => script.includes('SwaggerUIBundle('));
    expect(start).toContain('"swaggerUrl": "/openapi.yaml"');
    expect(start).toContain('"validatorUrl": null');
  });
});

it('a request whose body is not read is answered, and its connection closed', async () => {
  const line = await openLine(server.port);
  line.socket.write('POST /models HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nstart');
  const { status, head, body } = await line.answer;
  expect([status, (body as { code: string }).code]).toEqual([405, 'method_not_allowed']);
  expect(head).toMatch(/connection: close/i);
  line.socket.end();
  await line.closed;
});
