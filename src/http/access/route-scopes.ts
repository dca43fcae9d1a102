import type { Scope } from '../../access/scope.ts';

/**
 * What a client needs for each operation; `open` needs nothing. A route that is not here stops the server from
 * starting. `openapi.yaml` says the same; a contract test compares the two.
 */
const ROUTE_SCOPES: Readonly<Record<string, Scope | 'open'>> = {
  // What a browser needs to ask for a key, and what probes ask.
  'GET /': 'open',
  'GET /docs': 'open',
  'GET /openapi.yaml': 'open',
  'GET /session': 'open',
  'POST /session': 'open',
  'DELETE /session': 'open',
  'GET /v2/health/live': 'open',
  'GET /v2/health/ready': 'open',

  'POST /classify': 'classify',
  'POST /explain': 'classify',
  'GET /labels/{synset}': 'classify',
  'GET /models': 'classify',
  'GET /models/{id}': 'classify',
  'GET /models/{id}/labels': 'classify',
  'GET /models/{id}/pull': 'classify',
  'GET /models/{id}/pull/events': 'classify',
  'GET /v2': 'classify',
  'GET /v2/models/{id}': 'classify',
  'GET /v2/models/{id}/ready': 'classify',
  'POST /v2/models/{id}/infer': 'classify',
  'GET /v2/models/{id}/versions/{version}': 'classify',
  'GET /v2/models/{id}/versions/{version}/ready': 'classify',
  'POST /v2/models/{id}/versions/{version}/infer': 'classify',
  'POST /v2/repository/index': 'classify',
  'GET /v2/models/{id}/config': 'classify',
  'GET /v2/models/stats': 'classify',
  'GET /v2/models/{id}/stats': 'classify',
  'GET /v2/models/{id}/versions/{version}/config': 'classify',
  'GET /v2/models/{id}/versions/{version}/stats': 'classify',
  'GET /v1/models': 'classify',
  'GET /v1/models/{id}': 'classify',
  'POST /v1/models/{id}:predict': 'classify',

  // Reports show pictures that a model was trained on, and an export is the model itself.
  'POST /finetune': 'teach',
  'GET /jobs': 'teach',
  'GET /jobs/{id}': 'teach',
  'DELETE /jobs/{id}': 'teach',
  'GET /jobs/{id}/events': 'teach',
  'GET /models/{id}/report': 'teach',
  'GET /models/{id}/report/pictures': 'teach',
  'POST /models/{id}/quantize': 'teach',
  'GET /models/{id}/export': 'teach',
  'PUT /models/{id}/aliases/{alias}': 'teach',
  'DELETE /models/{id}/aliases/{alias}': 'teach',

  'DELETE /models/{id}': 'admin',
  'POST /models/{id}/pull': 'admin',
  'DELETE /models/{id}/pull': 'admin',
  'POST /v2/repository/models/{id}/load': 'admin',
  'POST /v2/repository/models/{id}/unload': 'admin',
  'GET /metrics': 'admin',
};

/** A route, as `openapi.yaml` names it. */
export interface Operation {
  readonly method: string;
  /** As `/models/{id}`. */
  readonly path: string;
}

/** What a client needs for a route. @throws Error for a route without an entry in the table */
export function scopeOf({ method, path }: Operation): Scope | 'open' {
  const operation = `${method.toUpperCase()} ${path}`;
  const scope = ROUTE_SCOPES[operation];
  if (scope === undefined) throw new Error(`${operation} has no entry in src/http/access/route-scopes.ts`);
  return scope;
}

/** Every operation of the table. */
export const SCOPED_OPERATIONS: readonly string[] = Object.keys(ROUTE_SCOPES);
