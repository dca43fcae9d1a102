import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { DefaultModel } from '../../src/catalogue/default-model.ts';
import { createLogger } from '../../src/common/logger.ts';
import type { ModelVersion } from '../../src/registry/registry.ts';

/** Whether the files of the model are damaged, and how often its load was tried. */
let damaged: boolean;
let attempts: number;
let model: DefaultModel;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
  [damaged, attempts] = [true, 0];
  let failure: string | undefined;
  model = new DefaultModel({
    registry: { resolve: () => ({ name: 'resnet', version: 1 }) as ModelVersion },
    serving: {
      use: async (version, _runtime, work) => {
        attempts += 1;
        failure = damaged ? 'its weights are damaged' : undefined;
        if (damaged) throw new Error(failure);
        return await work({ submit: () => Promise.reject(new Error(`${version.name} gets no image here`)) } as never);
      },
      obstacle: () => failure,
    },
    defaultModel: 'resnet',
    logger: createLogger('silent'),
  });
});
afterEach(() => {
  vi.useRealTimers();
});

test('a model that was never loaded is not ready', () => {
  expect(model.readiness()).toEqual({ ready: false, reason: 'it is being loaded' });
});

test('a model that could not be loaded becomes ready after a repair, by health checks alone', async () => {
  await model.load();
  expect(model.readiness()).toEqual({ ready: false, reason: 'its weights are damaged' });
  damaged = false;
  vi.advanceTimersByTime(6_000);
  // This check starts another attempt in the background.
  expect(model.readiness().ready).toBe(false);
  await vi.waitFor(() => expect(model.readiness()).toEqual({ ready: true }));
  expect(attempts).toBe(2);
});

test('health checks in quick succession start no further attempts', async () => {
  await model.load();
  for (let check = 0; check < 10; check += 1) model.readiness();
  expect(attempts).toBe(1);
});
