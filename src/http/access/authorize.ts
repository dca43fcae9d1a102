import type { Request, Response } from 'express';
import { includesScope, type Scope } from '../../access/scope.ts';
import { AppError } from '../../common/errors.ts';
import type { Logger } from '../../common/logger.ts';
import type { Config } from '../../config.ts';
import { clientAddress } from '../client-address.ts';
import { foreignCheck } from '../middleware/cross-origin.ts';
import type { RequestState } from '../middleware/request-state.ts';
import type { Access, Client } from './access.ts';
import { auditLog } from './audit.ts';
import { isForwarded } from './exposure.ts';
import { keysOf } from './key-of.ts';
import { RateLimit } from './rate-limit.ts';
import { type Operation, scopeOf } from './route-scopes.ts';

/** Lets a request pass to its route. @throws AppError `key_missing`, `key_invalid`, `scope_missing`, `rate_limited` */
export type Authorize = (request: Request, response: Response<unknown, RequestState>) => void;

interface AuthorizationParts {
  readonly access: Pick<Access, 'identify'>;
  readonly config: Pick<Config, 'allowedHosts' | 'requestsPerMinute' | 'trustProxy'>;
  readonly logger: Logger;
}

/** Creates a function that creates the check of a route. */
export function createAuthorization(parts: AuthorizationParts): (route: Operation) => Authorize {
  const { access, config, logger } = parts;
  const isForeign = foreignCheck(config);
  const limit = new RateLimit(config.requestsPerMinute);
  const audit = auditLog(logger);
  return (route) => {
    const scope = scopeOf(route);
    if (scope === 'open') return () => undefined;
    // What needs no more than `classify` computes; the rest changes something, unless it is read.
    const isChange = route.method !== 'get' && scope !== 'classify';
    return (request, response) => {
      if (isChange) audit(request, response);
      const client = access.identify(keysOf(request, isForeign(request)), isForwarded(request.headers));
      response.locals.client = client;
      requireScope(client, scope, `${request.method} ${route.path}`);
      limit.count(client, clientAddress(request));
    };
  };
}

function requireScope(client: Client, needed: Scope, operation: string): void {
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
