import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLogger } from '../../src/common/logger.ts';
import { testPerturbation } from '../../src/evaluation/perturbation.ts';
import { preprocessImage } from '../../src/image/preprocess.ts';
import { readZoo } from '../../src/registry/zoo.ts';
import { openSession } from '../../src/runtime/open-session.ts';
import { Batcher } from '../../src/serving/batcher.ts';
import { ConversionCache } from '../../src/serving/conversion-cache.ts';
import { EMBEDDED } from '../golden/pictures.ts';
import { SHARED_ABSENT, sharedPath } from '../shared-data.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-perturbation-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const photos = sharedPath('data', 'photos');

describe.skipIf(photos === undefined)(
  `the perturbation test on photos${photos === undefined ? `, ${SHARED_ABSENT}` : ''}`,
  () => {
    it.each(EMBEDDED)('%s has a larger drop for the hottest fifth than for a random one', async (name) => {
      const model = (await readZoo('zoo')).models.find((each) => each.name === name);
      if (model === undefined) throw new Error(`the zoo has no ${name}`);
      const conversion = await new ConversionCache(folder, createLogger('silent')).get(model);
      const { onnx, explanation } = conversion;
      if (!('path' in explanation)) throw new Error(explanation.refused);
      const session = await openSession({ runtime: 'onnx', path: onnx.path, explanation, threads: 1 });
      let turn: Promise<unknown> = Promise.resolve();
      const batcher = new Batcher({
        engines: {
          acquire: () => {
            let release = (): void => {};
            const lent = turn.then(() => ({ threads: 1, cpuMs: 0, run: session.run, release: () => release() }));
            turn = new Promise<void>((resolve) => {
              release = resolve;
            });
            return lent;
          },
        },
        imageShape: [64, 64, 3],
        sizing: { images: (_, waiting) => Math.min(16, waiting), record: () => undefined },
        maxBatchSize: 16,
        queueLimit: Number.POSITIVE_INFINITY,
      });
      const { images, gain } = await testPerturbation(
        {
          converted: async () => conversion,
          queue: batcher,
          preprocess: (bytes, recipe) => preprocessImage(bytes, recipe, 50_000_000),
        },
        { model, path: photos ?? '', images: 100, draws: 1, seed: 0 },
      );
      expect(images).toBe(53);
      expect(gain.mean - gain.margin).toBeGreaterThan(0);
      await session.close();
    });
  },
);
