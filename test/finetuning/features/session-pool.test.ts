import { beforeEach, describe, expect, test, vi } from 'vitest';
import { SessionPool } from '../../../src/finetuning/features/session-pool.ts';
import type { Session } from '../../../src/runtime/session.ts';

const SOURCE = { runtime: 'onnx', path: 'model.onnx', threads: 1 } as const;
const PIXELS = { data: new Uint8Array(3), shape: [1, 1, 1, 3] };

const openings = vi.hoisted(() => ({ next: [] as (() => Promise<unknown>)[] }));

vi.mock('../../../src/finetuning/features/session-thread.ts', () => ({
  openSessionThread: () => openings.next.shift()?.(),
}));

const opens =
  (run: Session['run'] = async () => ({})) =>
  () =>
    Promise.resolve({ version: '1.2.3', run, close: async () => undefined });
const fails = (reason: string) => () => Promise.reject(new Error(reason));

beforeEach(() => {
  openings.next = [];
});

describe('the sessions of a model', () => {
  test('run as many batches at once as there are sessions, and the next one when the first is done', async () => {
    openings.next = [opens(), opens()];
    const pool = new SessionPool(SOURCE, 2);
    const first = await pool.acquire();
    await pool.acquire();
    const third = vi.fn();
    const waits = pool.acquire().then(third);
    await new Promise(setImmediate);
    expect(third).not.toHaveBeenCalled();
    first.release();
    await waits;
    expect(third).toHaveBeenCalledOnce();
  });

  test('say how long a run took, from which the size of batches is learnt', async () => {
    openings.next = [opens(() => new Promise((resolve) => setImmediate(() => resolve({}))))];
    const lease = await new SessionPool(SOURCE, 1).acquire();
    expect(lease.cpuMs).toBe(0);
    await lease.run(PIXELS, ['features']);
    expect(lease.cpuMs).toBeGreaterThan(0);
  });

  test('do without one that cannot be opened', async () => {
    openings.next = [fails('no memory'), opens()];
    const pool = new SessionPool(SOURCE, 2);
    await expect(pool.loaded).resolves.toBe('1.2.3');
    await (await pool.acquire()).run(PIXELS, ['features']);
  });

  test('give the reason when none can be opened, whenever a session is asked for', async () => {
    openings.next = [fails('no such file'), fails('no such file either')];
    const pool = new SessionPool(SOURCE, 2);
    const asked = pool.acquire();
    await expect(pool.loaded).rejects.toThrow('no such file');
    await expect(asked).rejects.toThrow('no such file');
    await expect(pool.acquire()).rejects.toThrow('no such file');
  });
});
