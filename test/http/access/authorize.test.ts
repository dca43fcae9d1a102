import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Access } from '../../../src/access/access.ts';
import { createKey } from '../../../src/access/api-key.ts';
import { RateLimit } from '../../../src/access/rate-limit.ts';
import { includesScope, SCOPES, type Scope } from '../../../src/access/scope.ts';
import { scopeOf } from '../../../src/http/access/route-scopes.ts';
import { createRoutes } from '../../../src/http/app.ts';
import { ask, CONFIG, completed, OPENAPI, startServer, type TestServer } from '../fixture.ts';

const made = {
  classify: createKey('camera', 'classify'),
  teach: createKey('laptop', 'teach'),
  admin: createKey('root', 'admin'),
};
const stored = Object.values(made).map((each) => each.stored);
const ring = {
  everHadKeys: true,
  find: (text: string) => Object.values(made).find(({ key }) => key === text)?.stored,
};

const routes = createRoutes(completed({ config: CONFIG, uploadDir: '/nowhere', openapi: OPENAPI })).map((route) => ({
  method: route.method.toUpperCase(),
  path: route.path.replaceAll(/\{\w+\}/g, 'x'),
  scope: scopeOf(route),
}));

let server: TestServer;
let open: TestServer;
beforeAll(async () => {
  const withKeys = (allowAnonymous: 'none' | 'classify') => new Access(ring, { allowAnonymous, isLocal: true });
  server = await startServer({ access: withKeys('none'), rateLimit: new RateLimit(0) });
  open = await startServer({ access: withKeys('classify') });
});
afterAll(() => Promise.all([server.close(), open.close()]));

const bearer = (key: string) => ({ Authorization: `Bearer ${key}` });

/** Whether a request was refused, whatever became of it afterwards: the services are fakes that fail. */
async function refusal(to: TestServer, method: string, path: string, headers: Record<string, string>) {
  const response = await fetch(to.url + path, { method, headers, redirect: 'manual' });
  const text = await response.text();
  const isRefused = [401, 403].includes(response.status);
  return isRefused ? [response.status, (JSON.parse(text) as { code: string }).code] : undefined;
}

describe('every route', () => {
  it('refuses who has no key, unless it is open', async () => {
    for (const { method, path, scope } of routes) {
      const expected = scope === 'open' ? undefined : [401, 'key_missing'];
      expect(await refusal(server, method, path, {}), `${method} ${path}`).toEqual(expected);
    }
  });

  it.each(SCOPES)('lets a key with the scope %s do what it says, and no more', async (held: Scope) => {
    for (const { method, path, scope } of routes) {
      const expected = scope === 'open' || includesScope(held, scope) ? undefined : [403, 'scope_missing'];
      expect(await refusal(server, method, path, bearer(made[held].key)), `${method} ${path}`).toEqual(expected);
    }
  });

  it('refuses a wrong or revoked key, also where none is needed', async () => {
    const { key } = createKey('laptop', 'admin');
    for (const { method, path, scope } of routes.filter((each) => each.scope !== 'open')) {
      expect(await refusal(server, method, path, bearer(key)), `${method} ${path}`).toEqual([401, 'key_invalid']);
      if (scope === 'classify') expect(await refusal(open, method, path, bearer(key))).toEqual([401, 'key_invalid']);
    }
  });

  it('is open for classification to who has no key, with ALLOW_ANONYMOUS=classify', async () => {
    for (const { method, path, scope } of routes) {
      const expected = scope === 'open' || scope === 'classify' ? undefined : [401, 'key_missing'];
      expect(await refusal(open, method, path, {}), `${method} ${path}`).toEqual(expected);
    }
  });
});

describe('a key', () => {
  it('may be in Authorization or X-API-Key', async () => {
    for (const headers of [
      bearer(made.classify.key),
      { 'X-API-Key': made.classify.key },
      { authorization: `bearer ${made.classify.key}` },
    ]) {
      expect((await ask(server, '/models', { headers })).status).toBe(200);
    }
    expect((await ask(server, '/models', { headers: { Authorization: `Basic ${btoa('a:b')}` } })).body.code).toBe(
      'key_missing',
    );
  });

  it('that is missing or not enough is a documented error which says what is needed', async () => {
    const missing = await ask(server, '/jobs');
    expect([missing.body.detail, missing.headers.get('www-authenticate')]).toEqual([
      expect.stringMatching(/scope teach.*Authorization: Bearer.*keys create/),
      'Bearer realm="menagerie"',
    ]);
    const weak = await ask(server, '/jobs', { headers: bearer(made.classify.key) });
    expect([weak.body.context, weak.headers.get('www-authenticate')]).toEqual([
      { scope: 'teach', held: 'classify' },
      expect.stringContaining('insufficient_scope'),
    ]);
    const wrong = await ask(server, '/jobs', { headers: bearer('mng_x') });
    expect(wrong.headers.get('www-authenticate')).toContain('invalid_token');
  });

  it('that sends too much is told when to try again', async () => {
    const access = new Access(ring, { allowAnonymous: 'none', isLocal: true });
    const slow = await startServer({ access, rateLimit: new RateLimit(2) });
    const headers = bearer(made.classify.key);
    const answers = [];
    for (let i = 0; i < 3; i++) answers.push(await ask(slow, '/models', { headers }));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
    expect([answers[2]?.body.code, answers[2]?.headers.get('retry-after')]).toEqual(['rate_limited', '30']);
    expect((await ask(slow, '/models', { headers: bearer(made.teach.key) })).status).toBe(200);
    // Probes are never refused.
    for (let i = 0; i < 3; i++) expect((await ask(slow, '/v2/health/live', { headers })).status).toBe(200);
    await slow.close();
  });
});

describe('the cookie of the page', () => {
  const start = (key: string) =>
    ask(server, '/session', {
      method: 'POST',
      body: JSON.stringify({ key }),
      headers: { 'Content-Type': 'application/json' },
    });

  it('is set for a valid key, and does what the key may do', async () => {
    const { body, headers } = await start(made.teach.key);
    expect(body).toEqual({ client: 'key', key: { id: made.teach.stored.id, name: 'laptop' }, scope: 'teach' });
    const set = headers.get('set-cookie') ?? '';
    expect(set).toMatch(/^menagerie_key=mng_/);
    for (const attribute of ['HttpOnly', 'SameSite=Strict', 'Path=/']) expect(set).toContain(attribute);
    const cookie = set.split(';')[0] ?? '';
    expect((await ask(server, '/models', { headers: { Cookie: `other=1; ${cookie}` } })).status).toBe(200);
    expect((await ask(server, '/session', { headers: { Cookie: cookie } })).body).toMatchObject({ scope: 'teach' });
  });

  it('counts as none when its key is revoked: the page asks for another one', async () => {
    const headers = { Cookie: `menagerie_key=${createKey('old', 'admin').key}` };
    expect((await ask(server, '/models', { headers })).body.code).toBe('key_missing');
    expect((await ask(open, '/models', { headers })).status).toBe(200);
  });

  it('is not set for a wrong key', async () => {
    const { body, headers } = await start('mng_wrong');
    expect([body.code, headers.get('set-cookie')]).toEqual(['key_invalid', null]);
  });

  it('does not count for a page of another origin, to which a browser adds it unasked', async () => {
    const access = new Access(ring, { allowAnonymous: 'none', isLocal: true });
    const config = { ...CONFIG, allowedOrigins: 'https://app.example' };
    const listed = await startServer({ access, config });
    const headers = { Cookie: `menagerie_key=${made.admin.key}`, Origin: 'https://app.example' };
    expect((await ask(listed, '/models', { headers })).body.code).toBe('key_missing');
    expect((await ask(listed, '/models', { headers: { ...headers, ...bearer(made.admin.key) } })).status).toBe(200);
    await listed.close();
  });

  it('is removed when the session ends', async () => {
    const { status, headers } = await ask(server, '/session', { method: 'DELETE' });
    expect([status, headers.get('set-cookie')]).toEqual([
      204,
      expect.stringMatching(/^menagerie_key=;.*Expires=Thu, 01 Jan 1970/),
    ]);
  });

  it('is told to browsers to be sent by TLS only, where the page came by it', async () => {
    const access = new Access(ring, { allowAnonymous: 'none', isLocal: true });
    const behind = await startServer({ access, config: { ...CONFIG, trustProxy: 1, basePath: '/zoo' } });
    const response = await fetch(`${behind.url}/zoo/session`, {
      method: 'POST',
      body: JSON.stringify({ key: made.teach.key }),
      headers: { 'X-Forwarded-Proto': 'https' },
    });
    expect(response.headers.get('set-cookie')).toMatch(/Path=\/zoo\/;.*Secure/);
    await behind.close();
  });
});

describe('the log', () => {
  const audit = (to: TestServer) => to.log.filter((line) => line['audit'] === true);

  it('has a line for each request that would change something: who, what, from where, and how it ended', async () => {
    await ask(server, '/models/tiny.test', { method: 'DELETE', headers: bearer(made.teach.key) });
    expect(audit(server).at(-1)).toMatchObject({
      client: 'key',
      key: { id: made.teach.stored.id, name: 'laptop' },
      address: '127.0.0.1',
      action: 'DELETE /models/tiny.test',
      status: 403,
    });
    const before = audit(server).length;
    await ask(server, '/models', { headers: bearer(made.admin.key) });
    expect(audit(server)).toHaveLength(before);
  });

  it('never has a key', () => {
    const text = JSON.stringify([...server.log, ...open.log]);
    for (const { key } of Object.values(made)) expect(text).not.toContain(key.slice(-43));
    for (const { sha256 } of stored) expect(text).not.toContain(sha256);
  });
});
