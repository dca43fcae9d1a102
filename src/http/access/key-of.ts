import type { IncomingMessage } from 'node:http';
import type { PresentedKeys } from '../../access/access.ts';
import { isLoopback } from '../../access/exposure.ts';

/**
 * The cookie of the page. A page cannot put a header on the links, pictures and event streams that it opens, and a
 * script that an attacker smuggled in could read a key from the storage of the browser, but not from this cookie.
 */
export const KEY_COOKIE = 'menagerie_key';

/** @param isForeign whether a page of another origin sent it: then its browser added the cookie without being asked */
export function keysOf({ headers, socket }: IncomingMessage, isForeign: boolean): PresentedKeys {
  const bearer = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1];
  return {
    header: bearer ?? headers['x-api-key']?.toString(),
    cookie: isForeign ? undefined : cookieOf(headers.cookie),
    // A connection that has closed tells no address, and one of the file system has none: a proxy uses it.
    isRemote: socket.remoteAddress === undefined || !isLoopback(socket.remoteAddress),
  };
}

function cookieOf(header = ''): string | undefined {
  for (const pair of header.split(';')) {
    const [name = '', value] = pair.trim().split('=', 2);
    if (name === KEY_COOKIE && value) return value;
  }
  return undefined;
}
