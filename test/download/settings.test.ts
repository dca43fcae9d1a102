import { describe, expect, test } from 'vitest';
import { atEndpoint, proxyFor, readDownloadSettings } from '../../src/download/settings.ts';

describe('the environment', () => {
  test('when empty means the hub itself, without a proxy', () => {
    expect(readDownloadSettings({})).toEqual({
      endpoint: new URL('https://huggingface.co'),
      token: undefined,
      proxies: { http: undefined, https: undefined, none: [] },
    });
  });

  test('is read in lower case first', () => {
    const { proxies } = readDownloadSettings({
      https_proxy: 'http://a:1',
      HTTPS_PROXY: 'http://b:2',
      all_proxy: 'c:3',
    });
    expect(proxies.https?.href).toBe('http://a:1/');
    expect(proxies.http?.href).toBe('http://c:3/');
  });

  test('with a wrong URL is refused by the name of the variable, never by its value', () => {
    const wrong = () => readDownloadSettings({ HTTPS_PROXY: 'socks5://me:secret@proxy' });
    expect(wrong).toThrow('https_proxy or HTTPS_PROXY must be an http: or https: URL');
    expect(wrong).not.toThrow('secret');
  });
});

test('an endpoint replaces the hub, and no other host', () => {
  const mirror = new URL('https://mirror.test/hub/');
  expect(atEndpoint(new URL('https://huggingface.co/timm/a/resolve/main/b'), mirror).href).toBe(
    'https://mirror.test/hub/timm/a/resolve/main/b',
  );
  expect(atEndpoint(new URL('https://other.test/b'), mirror).href).toBe('https://other.test/b');
});

describe('a proxy', () => {
  const settings = (no_proxy: string) =>
    readDownloadSettings({ http_proxy: 'http://plain:1', https_proxy: 'http://tunnel:2', no_proxy }).proxies;
  const hostFor = (url: string, none = '') => proxyFor(new URL(url), settings(none))?.host;

  test('is chosen by the protocol', () => {
    expect([hostFor('http://a.test/x'), hostFor('https://a.test/x')]).toEqual(['plain:1', 'tunnel:2']);
  });

  test.each([
    ['*', 'https://a.test', true],
    ['a.test', 'https://a.test', true],
    ['a.test', 'https://deep.a.test', true],
    ['.a.test, b.test', 'https://deep.a.test', true],
    ['*.a.test', 'https://deep.a.test', true],
    ['a.test:443', 'https://a.test', true],
    ['a.test:8443', 'https://a.test', false],
    ['a.test', 'https://nota.test', false],
    ['127.0.0.1', 'http://127.0.0.1:99', true],
    ['::1', 'http://[::1]:99', true],
  ])('NO_PROXY=%s: %s directly is %s', (none, url, direct) => {
    expect(hostFor(url, none) === undefined).toBe(direct);
  });
});
