import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { createAccess } from '../../src/access/access.ts';
import { isForwarded } from '../../src/access/exposure.ts';
import { readConfig } from '../../src/config.ts';
import { keysOf } from '../../src/http/access/key-of.ts';

const keys = (hasValidKey: boolean) => ({ everHadKeys: hasValidKey, hasValidKey, find: () => undefined });
const start = (settings: Record<string, string>, hasValidKey = false) =>
  createAccess(readConfig(settings), keys(hasValidKey));

describe('a server without a key', () => {
  it.each([
    {},
    { HOST: 'localhost' },
    { HOST: '::1' },
    { HOST: '127.3.2.1' },
    { ALLOWED_HOSTS: 'menagerie.localhost' },
  ])('starts where only its own machine can use it: %j', async (settings) => {
    expect((await start(settings)).identify({})).toEqual({ kind: 'local', scope: 'admin' });
  });

  it.each([
    [{ HOST: '0.0.0.0' }, 'HOST=0.0.0.0'],
    [{ HOST: '::' }, 'HOST=::'],
    [{ HOST: '192.0.2.7' }, 'HOST=192.0.2.7'],
    // A proxy on the same machine connects from loopback for clients that are elsewhere.
    [{ TRUST_PROXY: 'true' }, 'TRUST_PROXY=1'],
    [{ ALLOWED_HOSTS: 'localhost, lab.example' }, 'ALLOWED_HOSTS=lab.example'],
  ])('does not start where others can: %j', async (settings, cause) => {
    const refused = start(settings);
    await expect(refused).rejects.toThrow(cause);
    await expect(refused).rejects.toThrow(
      /npx menagerie keys create my-laptop --scope admin[\s\S]*ALLOW_ANONYMOUS=classify/,
    );
  });

  it('takes nobody from elsewhere for local, in a program that listens where the settings do not say', async () => {
    const access = await start({});
    expect(access.identify({ isRemote: true })).toEqual({ kind: 'anonymous', scope: undefined });
    const from = (remoteAddress: string | undefined) =>
      access.identify(keysOf({ headers: {}, socket: { remoteAddress } } as IncomingMessage, false)).kind;
    expect(['127.0.0.1', '::1', '::ffff:127.0.0.1'].map(from)).toEqual(Array(3).fill('local'));
    expect(['192.0.2.7', '::ffff:192.0.2.7', '2001:db8::7', undefined].map(from)).toEqual(Array(4).fill('anonymous'));
  });

  it('starts where ALLOW_ANONYMOUS says what is allowed', async () => {
    const open = { HOST: '0.0.0.0', ALLOW_ANONYMOUS: 'classify' };
    expect((await start(open)).identify({})).toEqual({ kind: 'anonymous', scope: 'classify' });
    expect((await start({ ...open, ALLOW_ANONYMOUS: 'all' })).identify({})).toEqual({
      kind: 'anonymous',
      scope: 'admin',
    });
  });

  it('takes no notice of a header that is not meant for it', async () => {
    expect((await start({})).identify({ header: 'anything' })).toEqual({ kind: 'local', scope: 'admin' });
  });
});

describe('a request to a server that should be local', () => {
  it.each([
    [{}, false],
    [{ 'x-forwarded-for': '127.0.0.1, ::1' }, false],
    [{ 'x-forwarded-for': '192.0.2.7' }, true],
    [{ 'x-forwarded-for': '127.0.0.1, 192.0.2.7' }, true],
    [{ 'x-real-ip': '2001:db8::7' }, true],
    [{ forwarded: 'for=192.0.2.7;proto=https' }, true],
    [{ forwarded: 'for="[2001:db8::7]:4711", for=unknown' }, true],
    [{ forwarded: 'for="[::1]"' }, false],
  ])('comes through a proxy for another machine when that says so: %j', (headers, expected) => {
    expect(isForwarded(headers)).toBe(expected);
  });

  it('needs a key when it does', async () => {
    expect((await start({})).identify({}, true)).toEqual({ kind: 'anonymous', scope: undefined });
    const open = await start({ ALLOW_ANONYMOUS: 'all' });
    expect(open.identify({}, true)).toEqual({ kind: 'anonymous', scope: 'admin' });
  });
});

describe('a server with a key', () => {
  it('starts anywhere, and asks for the key, on loopback too', async () => {
    expect((await start({ HOST: '0.0.0.0' }, true)).identify({})).toEqual({
      kind: 'anonymous',
      scope: undefined,
    });
    expect((await start({}, true)).identify({})).toEqual({ kind: 'anonymous', scope: undefined });
  });
});
