import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type FetchOptions, fetchFollowing } from '../../src/download/hub.ts';
import { readDownloadSettings } from '../../src/download/settings.ts';
import { MisbehavingHost } from './misbehaving-host.ts';

let hub: MisbehavingHost;
let store: MisbehavingHost;

beforeEach(async () => {
  hub = await new MisbehavingHost(Buffer.from('hub')).listen();
  store = await new MisbehavingHost(Buffer.from('store')).listen();
});

afterEach(async () => {
  await hub.close();
  await store.close();
});

async function textOf(path: string, changes: Partial<FetchOptions> = {}) {
  const { body, url, published } = await fetchFollowing(new URL(path, hub.origin), {
    proxies: readDownloadSettings({}).proxies,
    token: { origin: hub.origin, value: 'hf_secret' },
    headers: {},
    stallMs: 2_000,
    signal: new AbortController().signal,
    ...changes,
  });
  let text = '';
  for await (const chunk of body) text += String(chunk);
  return { text, url: url.href, published };
}

const redirectTo = (location: string, headers: Record<string, string> = {}) =>
  hub.mischief.push((_request, response) => {
    response.writeHead(302, { location, ...headers }).end();
    return true;
  });

describe('redirects', () => {
  test('are followed; the headers of the first host are kept', async () => {
    redirectTo('/moved');
    redirectTo(`${store.origin}/signed?key=1`, { 'x-linked-etag': `"${'a'.repeat(64)}"`, 'x-linked-size': '5' });
    expect(await textOf('/model')).toEqual({
      text: 'store',
      url: `${store.origin}/signed?key=1`,
      published: { sha256: 'a'.repeat(64), size: 5 },
    });
  });

  test('send the token to no other host', async () => {
    redirectTo('/moved');
    redirectTo(`${store.origin}/signed`);
    await textOf('/model');
    expect(hub.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer hf_secret', 'Bearer hf_secret']);
    expect(store.requests.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });

  test('take no digest from another host, whose ETag may be anything', async () => {
    store.headers = { 'x-linked-etag': `"${'b'.repeat(64)}"` };
    redirectTo(`${store.origin}/signed`);
    expect((await textOf('/model')).published).toEqual({});
  });

  test('in circles, or to no URL, are refused', async () => {
    for (let hop = 0; hop < 20; hop += 1) redirectTo('/again');
    await expect(textOf('/model')).rejects.toThrow('redirects more than 10 times');
    hub.mischief.length = 0;
    redirectTo('file:///etc/passwd');
    await expect(textOf('/model')).rejects.toThrow('redirects to an invalid URL');
  });
});

test('the message of a failure contains neither the token nor the signature of a URL', async () => {
  redirectTo(`${store.origin}/signed?key=secret`);
  store.mischief.push((_request, response) => {
    response.writeHead(403).end();
    return true;
  });
  const failure = await textOf('/model').catch((thrown) => thrown);
  expect(failure.message).toBe(`${store.origin}/signed answered 403: it may require a token in HF_TOKEN`);
});

describe('a proxy', () => {
  test('receives the whole URL of an http: host', async () => {
    const proxies = readDownloadSettings({ http_proxy: `http://me:pass%20word@${new URL(store.origin).host}` }).proxies;
    expect((await textOf('/model', { proxies })).text).toBe('store');
    const [request] = store.requests;
    expect(request?.url).toBe(`${hub.origin}/model`);
    expect(request?.headers).toMatchObject({
      host: new URL(hub.origin).host,
      'proxy-authorization': `Basic ${Buffer.from('me:pass word').toString('base64')}`,
    });
  });

  test('opens a tunnel to an https: host, and sees nothing of what is sent through it', async () => {
    const proxy = createServer();
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const seen: string[] = [];
    proxy.on('connect', (request, socket) => {
      seen.push(`${request.url} ${request.headers.authorization}`);
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.once('data', (bytes: Buffer) => {
        // A TLS handshake begins with 22.
        seen.push(String(bytes[0]));
        socket.destroy();
      });
    });
    const { port } = proxy.address() as AddressInfo;
    const proxies = readDownloadSettings({ https_proxy: `http://127.0.0.1:${port}` }).proxies;
    await expect(textOf('https://weights.test/model', { proxies })).rejects.toThrow(
      'the connection to weights.test broke',
    );
    expect(seen).toEqual(['weights.test:443 undefined', '22']);
    proxy.close();
  });

  test('that refuses the tunnel is named', async () => {
    const proxy = createServer();
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    proxy.on('connect', (_request, socket) => socket.end('HTTP/1.1 407 No\r\n\r\n'));
    const { port } = proxy.address() as AddressInfo;
    const proxies = readDownloadSettings({ https_proxy: `http://me:secret@127.0.0.1:${port}` }).proxies;
    await expect(textOf('https://weights.test/model', { proxies })).rejects.toThrow(
      `the proxy http://127.0.0.1:${port}/ answered 407 to CONNECT weights.test:443`,
    );
    proxy.close();
  });
});
