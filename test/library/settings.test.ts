import { expect, test } from 'vitest';
import { configOf } from '../../src/library/settings.ts';

test('settings have the names of the server in camel case, and its defaults', () => {
  expect(configOf({ maxBatchSize: 4, dataDir: '/tmp/zoo' })).toMatchObject({
    maxBatchSize: 4,
    dataDir: '/tmp/zoo',
    defaultModel: 'resnet18_slim.tiny200',
    queueLimit: 256,
  });
});

test('a library prints nothing, unless it is told to', () => {
  expect(configOf({}).logLevel).toBe('silent');
  expect(configOf({ logLevel: 'warn' }).logLevel).toBe('warn');
});

test('the environment is not read', () => {
  process.env['HF_TOKEN'] = 'secret';
  process.env['MAX_BATCH_SIZE'] = '7';
  try {
    expect(configOf({}).maxBatchSize).toBe(16);
    expect(configOf({}).downloads().token).toBeUndefined();
    expect(configOf({ downloads: { token: 'mine' } }).downloads().token).toBe('mine');
  } finally {
    delete process.env['HF_TOKEN'];
    delete process.env['MAX_BATCH_SIZE'];
  }
});

test.each<[object, string | RegExp]>([
  [{ maxBatchSize: 0 }, /MAX_BATCH_SIZE=0: /],
  [{ maxBatchSizes: 4 }, 'there is no setting maxBatchSizes; is it maxBatchSize?'],
  [{ frobnicate: 1 }, 'there is no setting frobnicate'],
])('%j is refused', (options, message) => {
  expect(() => configOf(options)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
  expect(() => configOf(options)).toThrow(message);
});
