import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PixelTensor } from '../../src/common/tensor.ts';
import type { EngineModel } from '../../src/serving/engine-messages.ts';
import type { EnginePool } from '../../src/serving/engine-pool.ts';
import { PRIORITIES, type Priority } from '../../src/serving/priority.ts';
import { plainImage, writeColourModel } from '../colour-model.ts';

/** Engines, and a model in them: that of `writeColourModel`. */
export interface OpenedEngines {
  readonly engines: Pick<EnginePool, 'acquire' | 'concurrency' | 'idle' | 'obstacle' | 'warnings' | 'unload'>;
  readonly model: EngineModel;
  /** Ends the engines. */
  close(): Promise<void>;
}

/** The contract of what computes batches. @param open is given the path of `model.onnx` */
export function describeEngines(name: string, open: (path: string) => Promise<OpenedEngines>): void {
  describe(name, () => {
    let folder: string;
    let opened: OpenedEngines;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'menagerie-engines-'));
      opened = await open((await writeColourModel(folder)).onnx);
    });
    afterAll(async () => {
      await opened.close();
      await rm(folder, { recursive: true });
    });

    const lend = (priority: Priority = 'interactive') => opened.engines.acquire(opened.model, priority);
    const lendAll = () => Promise.all(Array.from({ length: opened.engines.concurrency(opened.model) }, () => lend()));
    const run = async (pixels: PixelTensor, outputs: Parameters<Awaited<ReturnType<typeof lend>>['run']>[1]) => {
      const engine = await lend();
      try {
        return await engine.run(pixels, outputs);
      } finally {
        engine.release();
      }
    };
    const batch = (...colours: [number, number, number][]): PixelTensor => ({
      data: Buffer.concat(colours.map((colour) => plainImage(colour))),
      shape: [colours.length, 4, 4, 3],
    });
    const rounded = (values: Float32Array | undefined) =>
      Array.from(values ?? [], (value) => Math.round(value * 1e3) / 1e3);

    it('compute each image of a batch, in order', async () => {
      const { logits } = await run(batch([255, 0, 0], [0, 51, 102]), ['logits']);
      expect(logits?.shape).toEqual([2, 3]);
      expect(rounded(logits?.data)).toEqual([4, 0, 0, 0, 0.8, 1.6]);
    });

    it('give the outputs that are asked for, and no others', async () => {
      const given = await run(batch([255, 0, 51]), ['features', 'activations', 'probabilities']);
      expect(Object.keys(given).sort()).toEqual(['activations', 'features', 'probabilities']);
      expect(rounded(given.features?.data)).toEqual([1, 0, 0.2]);
      expect(given.activations?.shape).toEqual([1, 4, 4, 3]);
      expect(given.probabilities?.data.reduce((sum, value) => sum + value)).toBeCloseTo(1, 5);
    });

    it('say what a batch has cost', async () => {
      const engine = await lend();
      expect(engine.cpuMs).toBe(0);
      await engine.run(batch([1, 2, 3]), ['logits']);
      expect(engine.cpuMs).toBeGreaterThan(0);
      engine.release();
    });

    it('are lent by priority, first come first served inside one', async () => {
      const busy = await lendAll();
      const order: string[] = [];
      const take = async (who: string, priority: Priority) => {
        const engine = await lend(priority);
        order.push(who);
        engine.release();
      };
      const all = [...PRIORITIES].reverse().flatMap((each) => [take(`${each} 1`, each), take(`${each} 2`, each)]);
      busy[0]?.release();
      await Promise.all(all);
      for (const engine of busy) engine.release();
      expect(order).toEqual(PRIORITIES.flatMap((each) => [`${each} 1`, `${each} 2`]));
    });

    it('are lent to no more than can run at once, and are idle when all have been returned', async () => {
      const busy = await lendAll();
      expect(opened.engines.idle).toBe(false);
      let isLent = false;
      const next = lend().then((engine) => {
        isLent = true;
        return engine;
      });
      await busy[0]?.run(batch([1, 2, 3]), ['logits']);
      expect(isLent).toBe(false);
      // To return one twice makes no room for two.
      busy[0]?.release();
      busy[0]?.release();
      const last = await next;
      for (const engine of [...busy, last]) engine.release();
      expect(opened.engines.idle).toBe(true);
    });

    it('say why pixels do not fit, and go on', async () => {
      const wrong = { ...batch([255, 0, 0]), shape: [1, 2, 8, 3] };
      await expect(run(wrong, ['logits'])).rejects.toThrow('the model takes');
      expect(rounded((await run(batch([255, 0, 0]), ['logits'])).logits?.data)).toEqual([4, 0, 0]);
    });

    it('have nothing to complain about', () => {
      expect([opened.engines.obstacle, opened.engines.warnings]).toEqual([undefined, []]);
    });

    it('compute a model that was unloaded again', async () => {
      await opened.engines.unload([opened.model.key]);
      expect(rounded((await run(batch([255, 0, 0]), ['logits'])).logits?.data)).toEqual([4, 0, 0]);
    });

    it('refuse whoever waits when they are closed, and whoever comes later', async () => {
      const busy = await lendAll();
      const waiting = lend();
      const closed = opened.close();
      await expect(waiting).rejects.toMatchObject({ code: 'shutting_down' });
      for (const engine of busy) engine.release();
      await closed;
      await expect(lend()).rejects.toMatchObject({ code: 'shutting_down' });
    });
  });
}
