import { AppError } from '../common/errors.ts';
import { type ExposureSettings, openedBy } from './exposure.ts';
import type { KeyRing } from './key-ring.ts';
import { includesScope, type Scope } from './scope.ts';

/** What needs no key: the setting `ALLOW_ANONYMOUS`. */
type AllowAnonymous = 'none' | 'classify' | 'all';

/** The settings that protect a server. */
interface ProtectionSettings extends ExposureSettings {
  readonly allowAnonymous: AllowAnonymous;
  readonly dataDir: string;
}

/** The keys that a request carries. */
export interface PresentedKeys {
  /** That of `Authorization: Bearer`, or else of `X-API-Key`. */
  readonly header?: string | undefined;
  readonly cookie?: string | undefined;
  /** Whether its connection comes from another machine. */
  readonly isRemote?: boolean;
}

/** Who sends a request. */
export type Client =
  | { readonly kind: 'key'; readonly id: string; readonly name: string; readonly scope: Scope }
  /** A program or a page on the machine of the server, which no other can use. */
  | { readonly kind: 'local'; readonly scope: 'admin' }
  /** `scope` is what is allowed without a key; undefined for nothing. */
  | { readonly kind: 'anonymous'; readonly scope: Scope | undefined };

/**
 * Decides who may do what. Without a key: everything with `ALLOW_ANONYMOUS=all`, classification with `classify`;
 * otherwise everything on a server that only its own machine can use and that never had a key, and else nothing.
 */
export class Access {
  readonly #keys: Pick<KeyRing, 'everHadKeys' | 'find'>;
  readonly #allowed: AllowAnonymous;
  readonly #isLocal: boolean;

  constructor(
    keys: Pick<KeyRing, 'everHadKeys' | 'find'>,
    { allowAnonymous, isLocal }: { readonly allowAnonymous: AllowAnonymous; readonly isLocal: boolean },
  ) {
    this.#keys = keys;
    this.#allowed = allowAnonymous;
    this.#isLocal = isLocal;
  }

  /**
   * A cookie that is not valid any more counts as none, since nobody chose to send it. A program that mounts this
   * interface may listen on addresses that our settings do not know: who connects from elsewhere is never local.
   * @param isForwarded whether a proxy sent it for another machine
   * @throws AppError `key_invalid` when the key in a header is not valid
   */
  identify({ header, cookie, isRemote = false }: PresentedKeys, isForwarded = false): Client {
    // Where no key was ever made, a header that a client happens to send is not meant for this server.
    const presented = header ?? cookie;
    if (presented !== undefined && this.#keys.everHadKeys) {
      const key = this.#keys.find(presented);
      if (key !== undefined) return { kind: 'key', id: key.id, name: key.name, scope: key.scope };
      if (header !== undefined) throw new AppError('key_invalid', 'The key is unknown or revoked; send a valid one.');
    }
    if (this.#allowed === 'all') return { kind: 'anonymous', scope: 'admin' };
    if (this.#allowed === 'classify') return { kind: 'anonymous', scope: 'classify' };
    const isLocal = this.#isLocal && !isRemote && !isForwarded;
    if (isLocal && !this.#keys.everHadKeys) return { kind: 'local', scope: 'admin' };
    return { kind: 'anonymous', scope: undefined };
  }
}

/**
 * Decides how a server is protected.
 * @throws Error that says what to type, when others could use it and there is neither a key nor `ALLOW_ANONYMOUS`
 */
export async function createAccess(
  config: ProtectionSettings,
  keys: Pick<KeyRing, 'everHadKeys' | 'hasValidKey' | 'find'>,
): Promise<Access> {
  const opened = await openedBy(config);
  if (opened !== undefined && config.allowAnonymous === 'none' && !keys.hasValidKey) {
    throw new Error(
      `${opened} opens the server to others, and there is no key. Make one:\n` +
        `  DATA_DIR=${config.dataDir} npx menagerie keys create my-laptop --scope admin\n` +
        'or serve without keys:\n' +
        '  ALLOW_ANONYMOUS=classify   everybody may classify, and nobody may train or change anything\n' +
        '  ALLOW_ANONYMOUS=all        everybody may do everything, such as on a network that you trust',
    );
  }
  return new Access(keys, { allowAnonymous: config.allowAnonymous, isLocal: opened === undefined });
}

/**
 * @param operation what the client wants to do, as the error names it
 * @throws AppError `key_missing`, `scope_missing`
 */
export function requireScope(client: Client, needed: Scope, operation: string): void {
  const { scope: held } = client;
  if (held !== undefined && includesScope(held, needed)) return;
  if (client.kind !== 'key') {
    throw new AppError(
      'key_missing',
      `${operation} needs a key with the scope ${needed}; send it as "Authorization: Bearer mng_..." or "X-API-Key: ` +
        'mng_...". "npx menagerie keys create" on the machine of the server makes one. A server that a proxy opens to ' +
        'others needs one too, or ALLOW_ANONYMOUS.',
      { context: { scope: needed } },
    );
  }
  throw new AppError(
    'scope_missing',
    `${operation} needs the scope ${needed}, and the key "${client.name}" has ${client.scope}; use another key.`,
    { context: { scope: needed, held: client.scope } },
  );
}
