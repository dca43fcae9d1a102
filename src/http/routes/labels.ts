import { z } from 'zod';
import type { LabelCatalogue } from '../../catalogue/label-catalogue.ts';
import { parseOptions } from '../options.ts';
import { sendJson } from '../respond.ts';
import { pathParameter, type Route } from './route.ts';

const labelSchema = z.strictObject({ model: z.string().min(1, 'must name a model').optional() });

interface LabelDependencies {
  readonly labels: Pick<LabelCatalogue, 'describe' | 'list'>;
}

/** Classes and the concepts above them. */
export function labelRoutes({ labels }: LabelDependencies): Route[] {
  return [
    {
      method: 'get',
      path: '/labels/{synset}',
      handle: (request, response) => {
        const { model } = parseOptions(labelSchema, request.query, {});
        sendJson(response, 200, labels.describe(pathParameter(request, 'synset'), model));
      },
    },
    {
      method: 'get',
      path: '/models/{id}/labels',
      handle: (request, response) => sendJson(response, 200, labels.list(pathParameter(request, 'id'))),
    },
  ];
}
