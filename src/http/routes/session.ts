import type { Request, Response } from 'express';
import { z } from 'zod';
import type { Access, Client } from '../../access/access.ts';
import { isForwarded } from '../../access/exposure.ts';
import type { Config } from '../../config.ts';
import { KEY_COOKIE, keysOf } from '../access/key-of.ts';
import { readJson } from '../body.ts';
import { foreignCheck } from '../middleware/cross-origin.ts';
import { sendJson } from '../respond.ts';
import type { Route } from './route.ts';

const MAX_BODY_BYTES = 1024;

const sessionSchema = z.strictObject({ key: z.string().min(1) });

interface SessionDependencies {
  readonly access: Pick<Access, 'identify'>;
  readonly config: Pick<Config, 'allowedHosts' | 'basePath' | 'requestTimeoutMs' | 'stallTimeoutMs' | 'trustProxy'>;
}

/**
 * `/session`: a browser exchanges a key for a cookie, which its scripts cannot read. It ends with the browser; a
 * revoked key ends it at once, since the cookie is the key.
 */
export function sessionRoutes({ access, config }: SessionDependencies): Route[] {
  const { basePath, requestTimeoutMs: timeoutMs, stallTimeoutMs } = config;
  const isForeign = foreignCheck(config);
  const cookieOptions = (request: Request) =>
    ({ httpOnly: true, sameSite: 'strict', secure: request.secure, path: `${basePath}/` }) as const;
  const clearCookie = (request: Request, response: Response) =>
    response.clearCookie(KEY_COOKIE, cookieOptions(request));
  return [
    {
      method: 'get',
      path: '/session',
      handle: (request, response) => {
        sendJson(
          response,
          200,
          sessionDocument(access.identify(keysOf(request, isForeign(request)), isForwarded(request.headers))),
        );
      },
    },
    {
      method: 'post',
      path: '/session',
      handle: async (request, response) => {
        const limits = { maxBytes: MAX_BODY_BYTES, timeoutMs, stallTimeoutMs };
        const { key } = await readJson(request, limits, { schema: sessionSchema, example: '{"key": "mng_..."}' });
        const client = access.identify({ header: key });
        if (client.kind === 'key') response.cookie(KEY_COOKIE, key, cookieOptions(request));
        sendJson(response, 200, sessionDocument(client));
      },
    },
    {
      method: 'delete',
      path: '/session',
      handle: (request, response) => {
        clearCookie(request, response);
        response.statusCode = 204;
        response.end();
      },
    },
  ];
}

/** `Session` of `openapi.yaml`. */
function sessionDocument(client: Client) {
  return {
    client: client.kind,
    key: client.kind === 'key' ? { id: client.id, name: client.name } : null,
    scope: client.scope ?? null,
  };
}
