import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { DefaultModel } from '../../src/catalogue/default-model.ts';
import { AppError } from '../../src/common/errors.ts';
import { createLogger } from '../../src/common/logger.ts';
import type { ModelVersion } from '../../src/registry/registry.ts';

/** Why the model cannot be loaded; a test repairs it by unsetting it. */
let fault: string | undefined;
let attempts: number;
let model: DefaultModel;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
  attempts = 0;
  let obstacle: string | undefined;
  model = new DefaultModel({
    registry: { resolve: () => ({}) as ModelVersion },
    serving: {
      use: async () => {
        attempts += 1;
        obstacle = fault;
        if (fault !== undefined) throw new AppError('model_unavailable', fault);
        return undefined as never;
      },
      obstacle: () => obstacle,
    },
    defaultModel: 'tiny.test',
    logger: createLogger('silent'),
  });
});
afterEach(() => vi.useRealTimers());

it('is not ready before it is loaded', async () => {
  fault = undefined;
  expect(model.readiness()).toEqual({ ready: false, reason: 'it is being loaded' });
  await model.load();
  expect(model.readiness()).toEqual({ ready: true });
});

it('becomes ready by itself after a repair: health checks try it again, now and then', async () => {
  fault = 'the weights are damaged';
  await model.load();
  for (let i = 0; i < 5; i++) expect(model.readiness()).toEqual({ ready: false, reason: fault });
  expect(attempts).toBe(1);
  fault = undefined;
  vi.advanceTimersByTime(6_000);
  expect(model.readiness().ready).toBe(false);
  await expect.poll(() => model.readiness()).toEqual({ ready: true });
  expect(attempts).toBe(2);
});
