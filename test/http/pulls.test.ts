import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PulledModel } from '../../src/acquire/pull/model-puller.ts';
import { ModelPulls } from '../../src/acquire/pull/model-pulls.ts';
import type { PullOptions } from '../../src/acquire/pull/pull-options.ts';
import { AppError } from '../../src/common/errors.ts';
import { createLogger } from '../../src/common/logger.ts';
import { type ModelVersion, Registry } from '../../src/registry/registry.ts';
import { readZoo } from '../../src/registry/zoo.ts';
import { ask, CONFIG, startServer, type TestServer } from './fixture.ts';

const NAME = 'resnet50.tv_in1k';
const {
  models: [model],
  absent,
} = await readZoo('zoo');
if (model === undefined) throw new Error('the zoo is empty');
const pulled: PulledModel = { model, fetched: true };
const registry = new Registry();
for (const each of absent) registry.setAbsent(each);
const DISK_FULL = { code: 'ENOSPC', syscall: 'write' };

/** A pull that the test ends by hand. */
interface HandMade extends PullOptions {
  readonly name: string;
  readonly finish: (result: PulledModel) => void;
  readonly fail: (reason: Error) => void;
}

let server: TestServer;
let pulls: ModelPulls;
let asked: HandMade[];
let published: ModelVersion[];
/** Whether a pull goes on after its signal aborted, until the test ends it. */
let slowToStop: boolean;

beforeEach(async () => {
  asked = [];
  published = [];
  slowToStop = false;
  pulls = new ModelPulls({
    puller: {
      expectPullable: async (name) => {
        const fullName = registry.fullName(name);
        if (fullName !== NAME) throw new AppError('model_not_found', `the zoo has no model "${name}"`);
        return fullName;
      },
      pull: (name, options) =>
        new Promise((finish, fail) => {
          options.signal.addEventListener('abort', () => !slowToStop && fail(options.signal.reason));
          asked.push({ ...options, name, finish, fail });
        }),
    },
    publish: async (version) => void published.push(version),
    logger: createLogger('silent'),
  });
  server = await startServer({
    pulls,
    registry,
    config: { ...CONFIG, autoPull: true },
    classifier: { classify: async ({ model = '' }) => unreachable(registry.get(model)) },
    explainer: {
      explain: async ({ model = '' }) => unreachable(registry.get(model)),
      draw: async ({ model = '' }) => unreachable(registry.get(model)),
    },
  });
});

afterEach(async () => {
  await pulls.close();
  await server.close();
});

const begin = (query = '') => ask(server, `/models/${NAME}/pull${query}`, { method: 'POST' });
const state = async () => (await ask(server, `/models/${NAME}/pull`)).body;

/** The registry has no model: every look-up throws. */
function unreachable(found: unknown): never {
  throw new Error(`${found} was found`);
}

/** Reads the events of a stream to its end. */
async function follow(
  headers: Record<string, string> = {},
): Promise<{ status: number; events: unknown[]; lastId: string }> {
  const response = await fetch(`${server.url}/models/${NAME}/pull/events`, { headers });
  const text = await response.text();
  const events = [...text.matchAll(/^data: (.*)$/gm)].map(([, data = '']) => JSON.parse(data));
  return { status: response.status, events, lastId: [...text.matchAll(/^id: (.*)$/gm)].at(-1)?.[1] ?? '' };
}

describe('a pull by request', () => {
  test('may name the architecture alone: the answer has the full name', async () => {
    const answer = await ask(server, '/models/resnet50/pull', { method: 'POST' });
    expect(answer).toMatchObject({ status: 202, body: { model: NAME } });
    expect(answer.headers.get('location')).toBe(`/models/${NAME}/pull`);
    expect(await ask(server, '/models/resnet50/pull')).toMatchObject({ status: 200, body: { model: NAME } });
  });

  test('answers with a URL, reports progress, and publishes the model at the end', async () => {
    const answer = await begin('?backbone_only=true');
    expect(answer.status).toBe(202);
    expect(answer.headers.get('location')).toBe(`/models/${NAME}/pull`);
    await expect.poll(() => asked).toHaveLength(1);
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
    await expect.poll(() => asked).toHaveLength(1);
    expect((await begin()).status).toBe(202);
    expect(asked).toHaveLength(1);
  });

  test('of the whole model is not answered with a running pull of its backbone', async () => {
    await begin('?backbone_only=true');
    await expect.poll(() => asked).toHaveLength(1);
    expect((await begin()).status).toBe(202);
    await expect.poll(() => asked).toHaveLength(2);
    expect(asked).toMatchObject([{ backboneOnly: true, signal: { aborted: true } }, { backboneOnly: false }]);
    // The whole model includes the backbone.
    await begin('?backbone_only=true');
    const following = follow();
    asked[1]?.finish(pulled);
    expect((await following).events.at(-1)).toMatchObject({ state: 'done' });
    expect(asked).toHaveLength(2);
    expect(published).toEqual([model]);
  });

  test('of the whole model is not answered with a backbone that has just arrived', async () => {
    slowToStop = true;
    await begin('?backbone_only=true');
    await expect.poll(() => asked).toHaveLength(1);
    await begin();
    asked[0]?.finish(pulled);
    await expect.poll(() => asked).toHaveLength(2);
    slowToStop = false;
    expect(await state()).toMatchObject({ state: 'running' });
    asked[1]?.finish(pulled);
    expect((await follow()).events.at(-1)).toMatchObject({ state: 'done' });
  });

  test('that is started while another is being cancelled starts again', async () => {
    slowToStop = true;
    await begin();
    await expect.poll(() => asked).toHaveLength(1);
    const cancelling = ask(server, `/models/${NAME}/pull`, { method: 'DELETE' });
    await expect.poll(() => asked[0]?.signal.aborted).toBe(true);
    expect((await begin()).body).toMatchObject({ state: 'running' });
    slowToStop = false;
    asked[0]?.fail(new Error('cancelled'));
    expect((await cancelling).body).toMatchObject({ state: 'cancelled' });
    await expect.poll(() => asked).toHaveLength(2);
    expect(await state()).toMatchObject({ state: 'running' });
  });

  test('says that the disk is full, without its paths', async () => {
    await begin();
    await expect.poll(() => asked).toHaveLength(1);
    asked[0]?.fail(Object.assign(new Error("ENOSPC: no space left on device, open '/data/x'"), DISK_FULL));
    const { events } = await follow();
    expect(events.at(-1)).toMatchObject({ state: 'failed', reason: expect.stringMatching(/^The disk .* is full\./) });
  });

  test('that fails says why, and can be started again', async () => {
    await begin();
    await expect.poll(() => asked).toHaveLength(1);
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
    await expect.poll(() => asked).toHaveLength(1);
    const answer = await ask(server, `/models/${NAME}/pull`, { method: 'DELETE' });
    expect(answer.body).toMatchObject({ state: 'cancelled' });
    expect(asked[0]?.signal.aborted).toBe(true);
    expect(await state()).toMatchObject({ state: 'cancelled' });
  });

  test('is refused for names that are no model of the zoo', async () => {
    const other = await ask(server, '/models/anything/pull', { method: 'POST' });
    expect(other).toMatchObject({ status: 404, body: { code: 'model_not_found' } });
    expect(await ask(server, `/models/${NAME}/pull`)).toMatchObject({ status: 404, body: { code: 'pull_not_found' } });
    expect(await begin('?backbone_only=perhaps')).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
  });
});

describe('with AUTO_PULL, a request whose model is not here', () => {
  const send = (path: string) =>
    ask(server, path, { method: 'POST', headers: { 'content-type': 'image/png' }, body: 'any bytes' });

  test('starts its pull and is answered with where to follow it', async () => {
    const answer = await send('/classify?model=resnet50');
    expect(answer).toMatchObject({ status: 202, body: { model: NAME, state: 'running' } });
    expect(answer.headers.get('location')).toBe(`/models/${NAME}/pull`);
    expect(answer.headers.get('retry-after')).toBe('5');
  });

  test('joins the pull that runs, however many ask', async () => {
    const answers = await Promise.all(
      ['/classify', '/explain', '/explain', '/classify'].map((path) => send(`${path}?model=${NAME}`)),
    );
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 202]);
    await expect.poll(() => asked).not.toEqual([]);
    expect(asked).toHaveLength(1);
  });

  test('is refused after its pull failed, and starts no other for a while', async () => {
    await send(`/classify?model=${NAME}`);
    await expect.poll(() => asked).toHaveLength(1);
    asked[0]?.fail(new Error('the host cannot be reached: put it in /secret/folder'));
    await expect.poll(state).toMatchObject({ state: 'failed' });
    const answer = await send(`/classify?model=${NAME}`);
    expect(answer).toMatchObject({ status: 503, body: { code: 'model_unavailable' } });
    expect(answer.body.detail).toMatch(
      /^"resnet50\.tv_in1k" could not be pulled: GET \/models\/resnet50\.tv_in1k\/pull says/,
    );
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(50);
    expect(asked).toHaveLength(1);
  });

  test('is told that the disk is full', async () => {
    await send(`/classify?model=${NAME}`);
    await expect.poll(() => asked).toHaveLength(1);
    asked[0]?.fail(Object.assign(new Error('ENOSPC'), DISK_FULL));
    await expect.poll(state).toMatchObject({ state: 'failed' });
    expect(await send(`/classify?model=${NAME}`)).toMatchObject({ status: 507, body: { code: 'storage_full' } });
  });

  test('is not found when the zoo has no such model', async () => {
    expect(await send('/classify?model=resnet51')).toMatchObject({ status: 404, body: { code: 'model_not_found' } });
    expect(asked).toEqual([]);
  });
});
