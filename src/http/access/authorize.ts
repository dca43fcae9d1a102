import type { Request, Response } from 'express';
import { type Access, requireScope } from '../../access/access.ts';
import { isForwarded } from '../../access/exposure.ts';
import type { RateLimit } from '../../access/rate-limit.ts';
import type { Logger } from '../../common/logger.ts';
import type { Config } from '../../config.ts';
import { clientAddress } from '../client-address.ts';
import { foreignCheck } from '../middleware/cross-origin.ts';
import type { RequestState } from '../middleware/request-state.ts';
import { auditLog } from './audit.ts';
import { keysOf } from './key-of.ts';
import { type Operation, scopeOf } from './route-scopes.ts';

/** Lets a request pass to its route. @throws AppError `key_missing`, `key_invalid`, `scope_missing`, `rate_limited` */
export type Authorize = (request: Request, response: Response<unknown, RequestState>) => void;

interface AuthorizationParts {
  readonly access: Pick<Access, 'identify'>;
  readonly rateLimit: Pick<RateLimit, 'count'>;
  readonly config: Pick<Config, 'allowedHosts' | 'trustProxy'>;
  readonly logger: Logger;
}

/** Creates a function that creates the check of a route. */
export function createAuthorization(parts: AuthorizationParts): (route: Operation) => Authorize {
  const { access, rateLimit, config, logger } = parts;
  const isForeign = foreignCheck(config);
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
      rateLimit.count(client, clientAddress(request));
    };
  };
}
