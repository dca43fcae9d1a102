import type { Request } from 'express';
import { z } from 'zod';
import { AppError } from '../../common/errors.ts';
import { describeIssues } from '../../registry/manifest.ts';
import { readBody } from '../body.ts';
import type { HttpDependencies } from '../dependencies.ts';
import { requireMediaType } from '../media-type.ts';
import { sendJson } from '../respond.ts';
import type { Route } from './route.ts';

/** Bytes of the JSON that names a version. */
const MAX_BODY_BYTES = 1024;

const aliasSchema = z.strictObject({ version: z.number().int().min(1) });

type Needs = Pick<HttpDependencies, 'models' | 'administration' | 'limits'>;

/** Promotion, rollback and removal of what was trained here. */
export function modelChangeRoutes({ models, administration, limits }: Needs): Route[] {
  return [
    {
      method: 'put',
      path: '/models/{id}/aliases/{alias}',
      handle: async (request, response) => {
        const version = await readVersion(request, limits.requestTimeoutMs);
        const id = parameter(request, 'id');
        await administration.setAlias(id, parameter(request, 'alias'), version);
        sendJson(response, 200, await models.describe(id));
      },
    },
    {
      method: 'delete',
      path: '/models/{id}/aliases/{alias}',
      handle: async (request, response) => {
        const id = parameter(request, 'id');
        await administration.removeAlias(id, parameter(request, 'alias'));
        sendJson(response, 200, await models.describe(id));
      },
    },
    {
      method: 'delete',
      path: '/models/{id}',
      handle: async (request, response) => {
        await administration.removeVersion(parameter(request, 'id'));
        response.statusCode = 204;
        response.end();
      },
    },
  ];
}

function parameter(request: Request, name: string): string {
  return String(request.params[name]);
}

async function readVersion(request: Request, timeoutMs: number): Promise<number> {
  requireMediaType(
    request,
    /^application\/json\b/i,
    'JSON, such as {"version": 1}, as "Content-Type: application/json"',
  );
  const text = (await readBody(request, MAX_BODY_BYTES, timeoutMs)).toString();
  const parsed = aliasSchema.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data.version;
  throw new AppError('invalid_request', `The body is wrong (${describeIssues(parsed.error)}); send {"version": 1}.`, {
    context: { field: 'version' },
  });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
