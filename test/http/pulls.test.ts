import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PulledModel } from '../../src/acquire/pull/model-puller.ts';
import { ModelPulls } from '../../src/acquire/pull/model-pulls.ts';
import type { PullOptions } from '../../src/acquire/pull/pull-options.ts';
import { AppError } from '../../src/common/errors.ts';
import { createLogger } from '../../src/common/logger.ts';
import type { ModelVersion } from '../../src/registry/registry.ts';
import { readZoo } from '../../src/registry/zoo.ts';
import { ask, startServer, type TestServer } from './fixture.ts';

const NAME = 'resnet50.tv_in1k';
const [model] = (await readZoo('zoo')).models;
if (model === undefined) throw new Error('the zoo is empty');
const pulled: PulledModel = { model, fetched: true };

/** A pull that a test carries out by hand. */
interface HandMade extends PullOptions {
  readonly name: string;
  readonly finish: (result: PulledModel) => void;
  readonly fail: (reason: Error) => void;
}

let server: TestServer;
let pulls: ModelPulls;
let asked: HandMade[];
let published: ModelVersion[];

beforeEach(async () => {
  asked = [];
  published = [];
  pulls = new ModelPulls({
    puller: {
      expectPullable: async (name) => {
        if (name !== NAME) throw new AppError('model_not_found', `the zoo has no model "${name}"`);
      },
      pull: (name, options) =>
        new Promise((finish, fail) => {
          options.signal.addEventListener('abort', () => fail(options.signal.reason));
          asked.push({ ...options, name, finish, fail });
        }),
    },
    publish: async (version) => void published.push(version),
    logger: createLogger('silent'),
  });
  server = await startServer({ pulls });
});

afterEach(async () => {
  await pulls.close();
  await server.close();
});

const begin = (query = '') => ask(server, `/models/${NAME}/pull${query}`, { method: 'POST' });
const state = async () => (await ask(server, `/models/${NAME}/pull`)).body;

/** The data of the events of a stream, read to its end. */
async function follow(
  headers: Record<string, string> = {},
): Promise<{ status: number; events: unknown[]; lastId: string }> {
  const response = await fetch(`${server.url}/models/${NAME}/pull/events`, { headers });
  const text = await response.text();
  const events = [...text.matchAll(/^data: (.*)$/gm)].map(([, data = '']) => JSON.parse(data));
  return { status: response.status, events, lastId: [...text.matchAll(/^id: (.*)$/gm)].at(-1)?.[1] ?? '' };
}

describe('a pull by request', () => {
  test('is told where to look, says how far it is, and makes the model known when it is there', async () => {
    const answer = await begin('?backbone_only=true');
    expect(answer.status).toBe(202);
    expect(answer.headers.get('location')).toBe(`/models/${NAME}/pull`);
    expect(asked).toMatchObject([{ name: NAME, backboneOnly: true }]);
    asked[0]?.onProgress({ phase: 'download', done: 10, total: 40 });
    expect(await state()).toEqual({
      model: NAME,
      state: 'running',
      phase: 'download',
      done_bytes: 10,
      total_bytes: 40,
      reason: null,
    });
    const following = follow();
    asked[0]?.onProgress({ phase: 'verify', done: 40, total: 40 });
    asked[0]?.finish(pulled);
    const { events, lastId } = await following;
    expect(events.at(-1)).toMatchObject({ state: 'done', phase: 'verify' });
    expect(published).toEqual([model]);
    expect((await follow({ 'last-event-id': lastId })).status).toBe(204);
  });

  test('of a model that is being pulled joins that pull', async () => {
    await begin();
    expect((await begin()).status).toBe(202);
    expect(asked).toHaveLength(1);
  });

  test('that fails says why, and can be asked for again', async () => {
    await begin();
    asked[0]?.fail(new Error('huggingface.co cannot be reached (ENOTFOUND)'));
    expect((await follow()).events.at(-1)).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('ENOTFOUND'),
    });
    expect(published).toEqual([]);
    expect((await begin()).body).toMatchObject({ state: 'running', reason: null });
  });

  test('is cancelled', async () => {
    await begin();
    const answer = await ask(server, `/models/${NAME}/pull`, { method: 'DELETE' });
    expect(answer.body).toMatchObject({ state: 'cancelled' });
    expect(asked[0]?.signal.aborted).toBe(true);
    expect(await state()).toMatchObject({ state: 'cancelled' });
  });

  test('is of a model of the zoo, and of nothing else', async () => {
    const other = await ask(server, '/models/anything/pull', { method: 'POST' });
    expect(other).toMatchObject({ status: 404, body: { code: 'model_not_found' } });
    expect(await ask(server, `/models/${NAME}/pull`)).toMatchObject({ status: 404, body: { code: 'pull_not_found' } });
    expect(await begin('?backbone_only=perhaps')).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
  });
});
