import { beforeAll, describe, expect, it } from 'vitest';
import { EXPORT_FORMATS } from '../../src/catalogue/export/export-format.ts';
import { ERRORS, type ErrorCode } from '../../src/common/errors.ts';
import { WEIGHT_STORAGES } from '../../src/convert/formats/tfjs/weights.ts';
import { SCOPED_OPERATIONS, scopeOf } from '../../src/http/access/route-scopes.ts';
import { createRoutes } from '../../src/http/app.ts';
import { type Contract, readContract } from '../http/contract.ts';
import { CONFIG, completed, OPENAPI } from '../http/fixture.ts';

/**
 * `openapi.yaml` is written by hand. Here it is held against the routes and the error table; every answer of the tests
 * in `test/http` is held against its schemas as well.
 */
let contract: Contract;
beforeAll(() => {
  contract = readContract(OPENAPI);
});

const sorted = (names: readonly string[]) => [...names].sort();

describe('openapi.yaml', () => {
  it('has every route, and no other', () => {
    const routes = createRoutes(completed({ config: CONFIG, uploadDir: '/nowhere', openapi: OPENAPI }));
    const served = routes.map(({ method, path }) => `${method} ${path}`);
    expect(sorted(served)).toEqual(sorted(contract.operations.map(({ method, path }) => `${method} ${path}`)));
  });

  it('has the scope of every route, which the table of scopes has too', () => {
    const routes = createRoutes(completed({ config: CONFIG, uploadDir: '/nowhere', openapi: OPENAPI }));
    expect(sorted(SCOPED_OPERATIONS)).toEqual(
      sorted(routes.map(({ method, path }) => `${method.toUpperCase()} ${path}`)),
    );
    for (const route of routes) {
      const scope = scopeOf(route);
      const ways = ['bearer', 'header', 'cookie'];
      const expected = scope === 'open' ? [] : ways.map((way) => ({ [way]: [scope] }));
      expect(contract.security(route.method, route.path), `${route.method} ${route.path}`).toEqual(expected);
    }
  });

  it('shows what a request without the right key gets, wherever one is needed', () => {
    for (const { method, path } of contract.operations) {
      if (contract.security(method, path)?.length === 0) continue;
      const codes = contract.documented
        .filter((each) => each.method === method && each.path === path)
        .flatMap((each) => each.codes);
      expect(codes, `${method} ${path}`).toEqual(
        expect.arrayContaining(['key_missing', 'key_invalid', 'scope_missing', 'rate_limited']),
      );
    }
  });

  it('has every code of the error table, and no other', () => {
    expect(sorted(contract.errorCodes)).toEqual(sorted(Object.keys(ERRORS)));
  });

  it('lists every format of exports, and every element type of their weights', () => {
    expect(contract.choices('get', '/models/{id}/export', 'format')).toEqual(EXPORT_FORMATS);
    expect(contract.choices('get', '/models/{id}/export', 'quantize')).toEqual(WEIGHT_STORAGES);
  });

  it('shows each error under its own status', () => {
    for (const { method, path, status, codes } of contract.documented) {
      for (const code of codes) {
        expect(ERRORS[code as ErrorCode]?.status, `${code} of ${method} ${path}`).toBe(status);
      }
    }
  });

  it('names the errors of each answer that is one', () => {
    const silent = contract.documented.filter(({ status, codes }) => status >= 400 && codes.length === 0);
    expect(silent).toEqual([]);
  });

  it('has examples that fit their schemas', () => {
    expect(contract.unfitExamples()).toEqual([]);
  });

  it('has examples of errors with the titles of the table', () => {
    for (const [code, { title }] of Object.entries(ERRORS)) {
      const shown = new RegExp(`problem-type:menagerie:${code}\\n +title: (.*)`).exec(OPENAPI)?.[1];
      if (shown !== undefined) expect(shown).toBe(title);
    }
  });
});
