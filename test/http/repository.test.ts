import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ModelControl } from '../../src/catalogue/model-control.ts';
import { type ModelVersion, Registry } from '../../src/registry/registry.ts';
import { readZoo } from '../../src/registry/zoo.ts';
import type { ServingState } from '../../src/serving/model-serving.ts';
import { readContract } from './contract.ts';
import { ask, OPENAPI, startServer, type TestServer } from './fixture.ts';

/** The model repository extension over models that come and go at once. */
const [model] = (await readZoo('zoo')).models;
if (model === undefined) throw new Error('the zoo is empty');
const registry = new Registry();
const versions = [1, 2].map((version) => ({ ...model, name: 'flowers', version }));
registry.set({ name: 'flowers', origin: 'store', versions, aliases: { production: 2 }, damaged: {} });

const states = new Map<number, ServingState>();
const unused: ServingState = { state: 'UNAVAILABLE', reason: 'it is loaded at the first request for it' };
const unloaded: ServingState = { state: 'UNAVAILABLE', reason: 'it was unloaded by request' };
const control = new ModelControl({
  registry,
  serving: {
    load: async ({ version }: ModelVersion) => void states.set(version, { state: 'READY', reason: '' }),
    unload: async ({ version }: ModelVersion) => void states.set(version, unloaded),
    allow: ({ version }: ModelVersion) => void states.set(version, unused),
    state: ({ version }: ModelVersion) => states.get(version) ?? unused,
  },
  unloadable: () => [{ name: 'broken.test', reason: 'mean: expected 3 numbers' }],
});

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ control });
});
afterAll(() => server.close());
beforeEach(() => states.clear());

const post = (path: string, body?: object) =>
  ask(server, `/v2/repository${path}`, { method: 'POST', ...(body && { body: JSON.stringify(body) }) });
const index = async (body?: object): Promise<unknown[]> =>
  JSON.parse((await post('/index', body)).text).map(
    ({ name, version, state }: Record<string, string>) => `${name}@${version} ${state}`,
  );

describe('the index', () => {
  it('lists every version, and the reason for those that cannot be loaded', async () => {
    expect(JSON.parse((await post('/index')).text)).toEqual([
      { name: 'flowers', version: '1', ...unused },
      { name: 'flowers', version: '2', ...unused },
      { name: 'broken.test', state: 'UNAVAILABLE', reason: 'mean: expected 3 numbers' },
    ]);
  });

  it('lists only loaded versions on request', async () => {
    await post('/models/flowers/load');
    expect(await index({ ready: true })).toEqual(['flowers@2 READY']);
  });
});

describe('loading', () => {
  it('loads the version in service, or the given one', async () => {
    expect(JSON.parse((await post('/models/flowers/load', {})).text)).toEqual({
      name: 'flowers',
      version: '2',
      state: 'READY',
      reason: '',
    });
    await post('/models/flowers@1/load');
    expect((await index()).slice(0, 2)).toEqual(['flowers@1 READY', 'flowers@2 READY']);
  });

  it('by the bare name makes all versions usable again', async () => {
    await post('/models/flowers/unload', { parameters: { unload_dependents: false } });
    expect([states.get(1), states.get(2)]).toEqual([unloaded, unloaded]);
    await post('/models/flowers/load');
    expect([states.get(1), states.get(2)?.state]).toEqual([unused, 'READY']);
  });

  it('of one version does not affect the others', async () => {
    await post('/models/flowers@1/unload');
    expect([states.get(1), states.get(2)]).toEqual([unloaded, undefined]);
  });

  it('is refused for unknown models and for parameters that are not supported', async () => {
    expect((await post('/models/nobody/load')).status).toBe(404);
    const { status, body } = await post('/models/flowers/load', { parameters: { config: '{}' } });
    expect([status, body.code]).toEqual([400, 'invalid_request']);
    expect(body.detail).toContain('config');
    const noJson = await ask(server, '/v2/repository/index', { method: 'POST', body: 'ready' });
    expect(noJson.status).toBe(400);
  });
});

describe('readiness', () => {
  it('is reported for each version', async () => {
    await post('/models/flowers@1/load');
    expect(JSON.parse((await ask(server, '/v2/models/flowers/versions/1/ready')).text)).toEqual({
      name: 'flowers',
      ready: true,
    });
    const { status, body } = await ask(server, '/v2/models/flowers/ready');
    expect([status, body.code]).toEqual([409, 'model_not_loaded']);
    expect(body.detail).toContain('first request');
  });
});

it.each(readContract(OPENAPI).requestExamples(/^\/v2\/repository\//))(
  'the example of $path in openapi.yaml fits its schema, and is answered',
  async ({ path, body, fault }) => {
    expect(fault).toBeUndefined();
    const answer = await ask(server, path.replace('{id}', 'flowers'), { method: 'POST', body: JSON.stringify(body) });
    expect(answer.status).toBe(200);
  },
);
