import { readFileSync } from 'node:fs';
import type nodeModule from 'node:module';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createLogger } from '../../src/common/logger.ts';
import { TENSORFLOW_PACKAGES, TENSORFLOW_VERSION } from '../../src/runtime/tensorflow-packages.ts';

const { peerDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  peerDependencies: Record<string, string>;
};

test('an error names the packages and the version of package.json', () => {
  expect(TENSORFLOW_PACKAGES.map((name) => peerDependencies[name])).toEqual(
    TENSORFLOW_PACKAGES.map(() => TENSORFLOW_VERSION),
  );
});

describe('without TensorFlow.js', () => {
  const missing = {
    code: 'tensorflow_missing',
    status: 501,
    message: expect.stringContaining('npm install @tensorflow/tfjs-core@4.22 '),
  };

  beforeEach(() => {
    vi.resetModules();
    vi.doMock('node:module', async (original) => ({
      ...(await original<typeof nodeModule>()),
      createRequire: () => ({
        resolve: (name: string) => {
          throw new Error(`Cannot find module '${name}'`);
        },
      }),
    }));
  });
  afterEach(() => void vi.doUnmock('node:module'));

  test('a fine-tune is refused before its data set is read', async () => {
    const { FinetuneJobs } = await import('../../src/finetuning/finetune-jobs.ts');
    const { openMemoryJobQueue } = await import('../jobs/memory-job-queue.ts');
    const unused = () => Promise.reject(new Error('not needed'));
    const jobs = new FinetuneJobs(
      { pinBackbone: (request) => request, inspect: unused, train: unused },
      await openMemoryJobQueue(),
      createLogger('silent'),
    );
    await expect(jobs.submit({ name: 'flowers' }, '/nowhere.zip')).rejects.toMatchObject(missing);
    await jobs.close();
  });

  test('a quantized export is refused', async () => {
    const { TfjsQuantizer } = await import('../../src/catalogue/export/tfjs-quantization.ts');
    const unused = { acquire: () => Promise.reject(new Error('not needed')), unload: async () => undefined };
    const model = { inputSize: [64, 64], onnx: { path: '/no/model.onnx' }, tfjs: { path: '/no/model.json' } } as const;
    await expect(new TfjsQuantizer(unused).get(model, 'uint8')).rejects.toMatchObject(missing);
  });

  test('a training process says what to install', async () => {
    const { loadTensorFlow } = await import('../../src/runtime/tensorflow.ts');
    await expect(loadTensorFlow({ threads: 1 })).rejects.toMatchObject(missing);
  });
});
