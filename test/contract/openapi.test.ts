import { beforeAll, describe, expect, it } from 'vitest';
import { EXPORT_FORMATS } from '../../src/catalogue/export/export-format.ts';
import { ERRORS, type ErrorCode } from '../../src/common/errors.ts';
import { WEIGHT_STORAGES } from '../../src/convert/formats/tfjs/weights.ts';
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
