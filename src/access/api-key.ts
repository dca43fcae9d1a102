import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { SCOPES, type Scope } from './scope.ts';

/** The prefix lets scanners of leaked secrets recognise a key. The id is public; the rest is the secret. */
const KEY = /^mng_([\da-f]{12})_[\w-]{43}$/;
const ID_BYTES = 6;
const SECRET_BYTES = 32;

/** A key as it is stored: without its secret. */
export const storedKeySchema = z.object({
  /** 12 hexadecimal digits, part of the key. */
  id: z.string(),
  name: z.string(),
  scope: z.enum(SCOPES),
  /** SHA-256 of the whole key, as hexadecimal digits. */
  sha256: z.string().regex(/^[\da-f]{64}$/),
  /** ISO 8601 in UTC. */
  created_at: z.string(),
  /** ISO 8601 in UTC; null while the key is valid. */
  revoked_at: z.string().nullable(),
});
export type StoredKey = Readonly<z.output<typeof storedKeySchema>>;

/**
 * Makes a key of 256 random bits, and what is stored of it: its SHA-256. A slow hash with a salt, as for passwords,
 * would protect secrets that can be guessed; no one can try 2^256 keys, and a fast hash costs each request
 * microseconds.
 */
export function createKey(name: string, scope: Scope): { readonly key: string; readonly stored: StoredKey } {
  const id = randomBytes(ID_BYTES).toString('hex');
  const key = `mng_${id}_${randomBytes(SECRET_BYTES).toString('base64url')}`;
  const sha256 = digestOf(key).toString('hex');
  return { key, stored: { id, name, scope, sha256, created_at: new Date().toISOString(), revoked_at: null } };
}

/** The id in a key; undefined for a text that is no key. */
export function idOfKey(text: string): string | undefined {
  return KEY.exec(text)?.[1];
}

/** Whether a text is this key, in a time that does not depend on where they differ. */
export function isKey(text: string, { sha256 }: StoredKey): boolean {
  return timingSafeEqual(digestOf(text), Buffer.from(sha256, 'hex'));
}

function digestOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
