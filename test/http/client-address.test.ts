import express from 'express';
import { describe, expect, it } from 'vitest';
import { clientAddress } from '../../src/http/client-address.ts';

/** The address that a server sees behind so many trusted proxies. */
function addressOf(trustProxy: number, remoteAddress: string, forwardedFor: string): string {
  const app = express();
  app.set('trust proxy', trustProxy);
  const request = Object.assign(Object.create(app.request), {
    app,
    socket: { remoteAddress },
    connection: { remoteAddress },
    headers: { 'x-forwarded-for': forwardedFor },
  });
  return clientAddress(request);
}

describe('the address of a client', () => {
  it('is that of the connection unless proxies are trusted', () => {
    expect(addressOf(0, '10.0.0.7', '1.2.3.4')).toBe('10.0.0.7');
  });

  it('is the last one that the trusted proxies have added; what the client wrote before it does not count', () => {
    expect(addressOf(1, '127.0.0.1', '6.6.6.6, 1.2.3.4')).toBe('1.2.3.4');
    expect(addressOf(2, '127.0.0.1', '6.6.6.6, 1.2.3.4, 10.0.0.1')).toBe('1.2.3.4');
  });

  it('is an IPv4 address where a server on IPv6 sees one', () => {
    expect(addressOf(0, '::ffff:10.0.0.7', '')).toBe('10.0.0.7');
    expect(addressOf(0, '2001:db8::7', '')).toBe('2001:db8::7');
  });
});
