import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createLogger } from '../../src/common/logger.ts';
import type { PixelTensor } from '../../src/common/tensor.ts';
import type { EngineModel } from '../../src/serving/engine-messages.ts';
import { EnginePool } from '../../src/serving/engine-pool.ts';
import type { EngineLease } from '../../src/serving/engine-slot.ts';
import { plainImage, writeColourModel } from '../colour-model.ts';

const SIDE = 192;
const logger = createLogger('silent');
let folder: string;
let small: EngineModel;
let large: EngineModel;
let pools: EnginePool[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-pool-'));
  small = { key: 'small', runtime: 'onnx', threads: 1, path: (await writeColourModel(folder)).onnx };
  large = { key: 'large', runtime: 'onnx', threads: 1, path: (await writeColourModel(folder, SIDE)).onnx };
});
afterEach(async () => {
  await Promise.all(pools.map((pool) => pool.close(1000)));
  pools = [];
});
afterAll(() => rm(folder, { recursive: true }));

function poolOf(size: number, threads = size): EnginePool {
  const pool = new EnginePool({ size, threads, logger });
  pools.push(pool);
  return pool;
}

const red: PixelTensor = { data: plainImage([255, 0, 0]), shape: [1, 4, 4, 3] };
/** Takes an engine most of a second. */
const long: PixelTensor = { data: new Uint8Array(64 * SIDE * SIDE * 3), shape: [64, SIDE, SIDE, 3] };

/** Loads a model into every engine, by running one image on all of them at once. */
async function loadEverywhere(pool: EnginePool, model: EngineModel): Promise<void> {
  const side = model === large ? SIDE : 4;
  const image = { data: new Uint8Array(side * side * 3), shape: [1, side, side, 3] };
  const engines = await Promise.all(pool.report().map(() => pool.acquire(model, 'interactive')));
  await Promise.all(engines.map((engine) => engine.run(image, ['logits'])));
  for (const engine of engines) engine.release();
}

async function redLogits(pool: EnginePool, model = small): Promise<number[]> {
  const engine = await pool.acquire(model, 'interactive');
  try {
    return await redRun(engine);
  } finally {
    engine.release();
  }
}

async function redRun(engine: EngineLease): Promise<number[]> {
  const { logits } = await engine.run(red, ['logits']);
  return [...(logits?.data ?? [])].map((value) => Math.round(value * 1000) / 1000);
}

describe('a pool of engines', () => {
  it('runs a model in another process', async () => {
    const pool = poolOf(1);
    expect(await redLogits(pool)).toEqual([4, 0, 0]);
    expect(pool.report()).toEqual([
      {
        index: 0,
        pid: expect.any(Number),
        state: 'idle',
        silent: false,
        rss: expect.any(Number),
        restarts: 0,
        models: [{ key: 'small', runtime: 'onnx', backend: 'cpu', version: expect.any(String), rejected: [] }],
      },
    ]);
    expect(pool.report()[0]?.pid).not.toBe(process.pid);
    expect(pool.report()[0]?.rss).toBeGreaterThan(10_000_000);
  });

  it.runIf(existsSync('/proc'))('has its library loaded when an engine says that it is ready', async () => {
    const pool = poolOf(1);
    await expect.poll(() => pool.report()[0]?.state).toBe('idle');
    expect(readFileSync(`/proc/${pool.report()[0]?.pid}/maps`, 'utf8')).toContain('libonnxruntime');
  });

  it('holds models of both runtimes in one engine', async () => {
    const pool = poolOf(1);
    const tfjs: EngineModel = {
      key: 'small/tfjs',
      runtime: 'tfjs',
      threads: 1,
      backend: 'wasm',
      path: small.path.replace('model.onnx', 'tfjs/model.json'),
    };
    expect(await redLogits(pool)).toEqual([4, 0, 0]);
    expect(await redLogits(pool, tfjs)).toEqual([4, 0, 0]);
    expect(pool.report()[0]?.models.map(({ key, backend }) => [key, backend])).toEqual([
      ['small', 'cpu'],
      ['small/tfjs', 'wasm'],
    ]);
  });

  it('prefers an engine that holds the model already', async () => {
    const pool = poolOf(2);
    await loadEverywhere(pool, small);
    const image = { data: new Uint8Array(SIDE * SIDE * 3), shape: [1, SIDE, SIDE, 3] };
    const first = await pool.acquire(small, 'interactive');
    const second = await pool.acquire(large, 'interactive');
    await second.run(image, ['logits']);
    first.release();
    second.release();
    const again = await pool.acquire(large, 'interactive');
    await again.run(image, ['logits']);
    again.release();
    expect(pool.report().map(({ models }) => models.length)).toEqual([1, 2]);
  });

  it('lends engines by priority, first come first served inside one', async () => {
    const pool = poolOf(1);
    const busy = await pool.acquire(small, 'training');
    const order: string[] = [];
    const take = async (name: string, priority: 'interactive' | 'bulk' | 'training') => {
      const engine = await pool.acquire(small, priority);
      order.push(name);
      engine.release();
    };
    const all = [
      take('training', 'training'),
      take('bulk 1', 'bulk'),
      take('bulk 2', 'bulk'),
      take('person 1', 'interactive'),
      take('person 2', 'interactive'),
    ];
    busy.release();
    await Promise.all(all);
    expect(order).toEqual(['person 1', 'person 2', 'bulk 1', 'bulk 2', 'training']);
  });

  it('lends no more engines than there are threads for their models', async () => {
    const pool = poolOf(2, 2);
    const wide = { ...small, key: 'wide', threads: 2 };
    expect([pool.concurrency(small), pool.concurrency(wide)]).toEqual([2, 1]);
    const order: string[] = [];
    const engine = await pool.acquire(small, 'interactive');
    const wideEngine = pool.acquire(wide, 'interactive').then((lent) => {
      order.push('wide');
      return lent;
    });
    // This one waits behind the wide one, which needs both threads: else a wide one might wait for ever.
    const third = pool.acquire(small, 'interactive').then((lent) => {
      order.push('third');
      return lent;
    });
    await redRun(engine);
    expect(order).toEqual([]);
    engine.release();
    (await wideEngine).release();
    (await third).release();
    expect(order).toEqual(['wide', 'third']);
  });

  it('runs a model alone that wants more threads than there are', async () => {
    expect(await redLogits(poolOf(1, 1), { ...small, key: 'wide', threads: 2 })).toEqual([4, 0, 0]);
  });

  it('says why pixels do not fit, and goes on', async () => {
    const pool = poolOf(1);
    const engine = await pool.acquire(small, 'interactive');
    await expect(engine.run({ ...red, shape: [1, 2, 8, 3] }, ['logits'])).rejects.toThrow('the model takes');
    engine.release();
    expect(await redLogits(pool)).toEqual([4, 0, 0]);
  });
});

describe('loading and unloading', () => {
  it('says at each attempt why a model cannot be loaded, until it can', async () => {
    const pool = poolOf(1);
    const path = join(folder, 'later.onnx');
    const later = { ...small, key: 'later', path };
    const unavailable = { code: 'model_unavailable', message: expect.stringContaining('later.onnx') };
    await expect(redLogits(pool, later)).rejects.toMatchObject(unavailable);
    await expect(redLogits(pool, later)).rejects.toMatchObject(unavailable);
    await writeFile(path, readFileSync(small.path));
    expect(await redLogits(pool, later)).toEqual([4, 0, 0]);
  });

  it('unloads a model from all engines', async () => {
    const pool = poolOf(2);
    await loadEverywhere(pool, small);
    expect(pool.report().map(({ models }) => models.length)).toEqual([1, 1]);
    await pool.unload(['small']);
    expect(pool.report().map(({ models }) => models)).toEqual([[], []]);
    expect(await redLogits(pool)).toEqual([4, 0, 0]);
  });
});

describe('an engine that is left without a model', () => {
  it('is replaced by a fresh process, which gives its memory back', async () => {
    const pool = poolOf(1);
    await redLogits(pool);
    const before = pool.report()[0]?.pid;
    await pool.unload(['small']);
    const [after] = pool.report();
    expect(after?.pid).not.toBe(before);
    expect(after).toMatchObject({ state: 'idle', restarts: 0, models: [] });
    expect(isAlive(before)).toBe(false);
    expect(await redLogits(pool)).toEqual([4, 0, 0]);
  });

  it('is not replaced before it is returned', async () => {
    const pool = poolOf(1);
    const lent = await pool.acquire(small, 'interactive');
    await redRun(lent);
    const unloading = pool.unload(['small']);
    // The lease is still valid: the engine loads the model once more and is replaced when it is returned.
    expect(await redRun(lent)).toEqual([4, 0, 0]);
    const next = redLogits(pool);
    lent.release();
    await unloading;
    expect(await next).toEqual([4, 0, 0]);
  });
});

it('keeps a model unloaded that is unloaded while its engine is being replaced', async () => {
  const loaded: unknown[] = [];
  const logged = pino({ level: 'info' }, { write: (line: string) => void loaded.push(JSON.parse(line).key ?? []) });
  const pool = new EnginePool({ size: 1, threads: 1, logger: logged });
  pools.push(pool);
  const lent = await pool.acquire(small, 'interactive');
  await redRun(lent);
  const replacing = pool.unload(['small']);
  // The engine loads the model once more for this run, and then its successor does.
  await redRun(lent);
  await expect.poll(() => loaded).toEqual(['small', 'small', 'small']);
  await pool.unload(['small']);
  lent.release();
  await replacing;
  expect(pool.report()).toMatchObject([{ state: 'idle', models: [] }]);
});

it('reports lost engines, and says so while none is running', async () => {
  const losses: unknown[] = [];
  // The state is taken at the loss itself: the next engine may be up a moment later.
  const onLost = (loss: string): void => {
    losses.push({ loss, obstacle: pool.obstacle, warnings: pool.warnings });
  };
  const pool: EnginePool = new EnginePool({ size: 1, threads: 1, logger, onLost });
  pools.push(pool);
  const obstacle = 'no engine is running; they are being started';
  expect(pool.obstacle).toBe(obstacle);
  await redLogits(pool);
  expect(pool.obstacle).toBeUndefined();
  const warnings = ['Engines that were lost and are being started again: 1 of 1.'];
  process.kill(pool.report()[0]?.pid ?? 0, 'SIGKILL');
  await expect.poll(() => losses).toEqual([{ loss: 'exited', obstacle, warnings }]);
  await redLogits(pool);
  process.kill(pool.report()[0]?.pid ?? 0, 'SIGSTOP');
  await expect.poll(() => losses[1]).toEqual({ loss: 'hung', obstacle, warnings });
});

describe('a model that few engines may hold', () => {
  it('waits for one of them, while other models use the free engines', async () => {
    const pool = poolOf(2);
    const scarce = { ...small, key: 'scarce', engines: 1 };
    expect([pool.concurrency(small), pool.concurrency(scarce)]).toEqual([2, 1]);
    const first = await pool.acquire(scarce, 'interactive');
    const second = pool.acquire(scarce, 'interactive');
    const other = await pool.acquire(small, 'bulk');
    other.release();
    first.release();
    const engine = await second;
    await redRun(engine);
    engine.release();
    expect(pool.report().map(({ models }) => models.map(({ key }) => key))).toEqual([['scarce'], []]);
  });
});

describe('an engine that dies', () => {
  it('fails its own batch only, and is started again', async () => {
    const pool = poolOf(2);
    await loadEverywhere(pool, large);
    const [doomed, other] = await Promise.all([pool.acquire(large, 'interactive'), pool.acquire(large, 'interactive')]);
    const [first, second] = pool.report();
    const runs = Promise.allSettled([doomed.run(long, ['logits']), other.run(long, ['logits'])]);
    setImmediate(() => process.kill(first?.pid ?? 0, 'SIGKILL'));
    const [lost, served] = await runs;
    expect(lost).toMatchObject({ status: 'rejected', reason: { code: 'engine_lost', retryAfter: 1 } });
    expect(served).toMatchObject({ status: 'fulfilled' });
    doomed.release();
    other.release();
    await expect.poll(() => pool.report()[0]).toMatchObject({ state: 'idle', restarts: 1 });
    expect(pool.report()[0]?.pid).not.toBe(first?.pid);
    expect(pool.report()[1]?.pid).toBe(second?.pid);
    expect(await redLogits(pool)).toEqual([4, 0, 0]);
  });

  it('while it is idle fails no request', async () => {
    const pool = poolOf(1);
    await redLogits(pool);
    process.kill(pool.report()[0]?.pid ?? 0, 'SIGKILL');
    await expect.poll(() => pool.report()[0]?.restarts).toBe(1);
    expect(await redLogits(pool)).toEqual([4, 0, 0]);
  });
});

describe('an engine that hangs', () => {
  it('is killed and started again; its batch fails, and requests go to the other engine meanwhile', async () => {
    const pool = poolOf(2);
    await loadEverywhere(pool, small);
    const lent = await pool.acquire(small, 'interactive');
    const stopped = pool.report().find(({ state }) => state === 'busy');
    process.kill(stopped?.pid ?? 0, 'SIGSTOP');
    const lost = expect(redRun(lent)).rejects.toMatchObject({
      code: 'engine_lost',
      message: expect.stringContaining('it sent no heartbeat for 5 s'),
    });
    for (let request = 0; request < 10; request += 1) expect(await redLogits(pool)).toEqual([4, 0, 0]);
    await lost;
    lent.release();
    await expect.poll(() => pool.report().map(({ state }) => state)).toEqual(['idle', 'idle']);
    const replaced = pool.report()[stopped?.index ?? 0];
    expect(replaced).toMatchObject({ restarts: 1 });
    expect(replaced?.pid).not.toBe(stopped?.pid);
    expect(isAlive(stopped?.pid)).toBe(false);
  });

  it('while it is idle gets no requests, as long as another engine is free', async () => {
    const pool = poolOf(2);
    await loadEverywhere(pool, small);
    process.kill(pool.report()[0]?.pid ?? 0, 'SIGSTOP');
    await expect.poll(() => pool.report()[0]?.silent).toBe(true);
    expect(pool.warnings).toEqual(['Engines that do not respond: 1 of 2.']);
    expect(await redLogits(pool)).toEqual([4, 0, 0]);
    // It is replaced although nobody asks for it.
    await expect.poll(() => pool.report()[0]).toMatchObject({ state: 'idle', restarts: 1 });
  });
});

describe('close', () => {
  it('lets runs finish, refuses new ones and ends every process', async () => {
    const pool = poolOf(2);
    await loadEverywhere(pool, large);
    const engine = await pool.acquire(large, 'interactive');
    const answer = engine.run(long, ['features']).finally(() => engine.release());
    const pids = pool.report().map(({ pid }) => pid);
    const closed = pool.close(30_000);
    await expect(pool.acquire(large, 'interactive')).rejects.toMatchObject({ code: 'shutting_down' });
    expect((await answer).features?.shape).toEqual([64, 3]);
    await closed;
    expect(pids.map(isAlive)).toEqual([false, false]);
  });

  it('does not wait for ever', async () => {
    const pool = poolOf(1);
    const engine = await pool.acquire(large, 'interactive');
    const lost = expect(engine.run(long, ['features'])).rejects.toMatchObject({ code: 'engine_lost' });
    await pool.close(1);
    await lost;
    engine.release();
  });
});

it('leaves no engine behind when the server is killed', async () => {
  const built = (path: string) => JSON.stringify(new URL(`../../dist/src/${path}`, import.meta.url).href);
  const server = spawn(process.execPath, [
    '--input-type=module',
    '--eval',
    `import { EnginePool } from ${built('serving/engine-pool.js')};
     import { createLogger } from ${built('common/logger.js')};
     const pool = new EnginePool({ size: 2, threads: 2, logger: createLogger('silent') });
     const model = ${JSON.stringify(small)};
     const engine = await pool.acquire(model, 'interactive');
     await engine.run({ data: new Uint8Array(48), shape: [1, 4, 4, 3] }, ['logits']);
     console.log(JSON.stringify(pool.report().map(({ pid }) => pid)));`,
  ]);
  const [line] = await once(createInterface(server.stdout), 'line');
  const pids: number[] = JSON.parse(line);
  expect(pids.map(isAlive)).toEqual([true, true]);
  server.kill('SIGKILL');
  await expect.poll(() => pids.map(isAlive)).toEqual([false, false]);
});

/** Whether a process runs. A zombie, which its parent has not waited for yet, does not. */
function isAlive(pid: number | undefined): boolean {
  const stat = `/proc/${pid}/stat`;
  if (existsSync('/proc')) return existsSync(stat) && !/\) [ZX] /.test(readFileSync(stat, 'utf8'));
  try {
    return process.kill(pid ?? 0, 0);
  } catch {
    return false;
  }
}
