import type { Request } from 'express';
import { z } from 'zod';
import { AppError } from '../../common/errors.ts';
import { describeIssues } from '../../registry/manifest.ts';
import { readBody } from '../body.ts';
import type { HttpDependencies } from '../dependencies.ts';
import { requireMediaType } from '../media-type.ts';
import { sendJson } from '../respond.ts';
import type { Route } from './route.ts';

/** Bytes of a body that says little or nothing. */
const MAX_BODY_BYTES = 64 * 1024;

const indexSchema = z.looseObject({ ready: z.boolean().default(false) });
/** Of what Triton's clients send, all that says to do no more than is done. */
const changeSchema = z.looseObject({
  parameters: z.strictObject({ unload_dependents: z.literal(false).optional() }).optional(),
});

type Needs = Pick<HttpDependencies, 'control' | 'limits'>;

/** The model repository extension of the Open Inference Protocol: what there is, and load and unload at run time. */
export function repositoryRoutes({ control, limits }: Needs): Route[] {
  const read = async <T>(request: Request, schema: z.ZodType<T>): Promise<T> => {
    requireMediaType(request, /^/, 'it');
    const text = (await readBody(request, MAX_BODY_BYTES, limits.requestTimeoutMs)).toString();
    const parsed = schema.safeParse(text === '' ? {} : jsonOf(text));
    if (parsed.success) return parsed.data;
    throw new AppError('invalid_request', `The body is wrong (${describeIssues(parsed.error)}); it may be empty.`);
  };
  return [
    {
      method: 'post',
      path: '/v2/repository/index',
      handle: async (request, response) => {
        const { ready } = await read(request, indexSchema);
        sendJson(response, 200, control.index(ready));
      },
    },
    {
      method: 'post',
      path: '/v2/repository/models/{id}/load',
      handle: async (request, response) => {
        await read(request, changeSchema);
        sendJson(response, 200, await control.load(String(request.params['id'])));
      },
    },
    {
      method: 'post',
      path: '/v2/repository/models/{id}/unload',
      handle: async (request, response) => {
        await read(request, changeSchema);
        sendJson(response, 200, await control.unload(String(request.params['id'])));
      },
    },
  ];
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
