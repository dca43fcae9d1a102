import { describe, expect, test } from 'vitest';
import { AppError } from '../../src/common/errors.ts';
import type { ConvertedModel } from '../../src/serving/conversion-cache.ts';
import { type EngineLimits, engineModels } from '../../src/serving/engine-models.ts';

const MEBIBYTE = 1024 * 1024;
const limits: EngineLimits = {
  threads: 1,
  cores: 2,
  memoryBytes: 4096 * MEBIBYTE,
  concurrency: ({ threads }) => Math.max(1, Math.floor(2 / threads)),
};

function modelsOf(mebibytes: number, given: Partial<EngineLimits> = {}) {
  const file = { path: 'model', size: mebibytes * MEBIBYTE, sha256: '0' };
  const converted = {
    key: 'key',
    onnx: file,
    tfjs: file,
    explanation: { reason: 'none' },
  } as unknown as ConvertedModel;
  return engineModels({ name: 'model' }, converted, 'onnx', { ...limits, ...given });
}

describe('the sessions of a model', () => {
  test('are one in each engine, and another for lone requests', () => {
    const { many, alone, bytes } = modelsOf(100);
    expect([many.threads, many.engines, alone.threads, alone.engines]).toEqual([1, 2, 2, 1]);
    expect(bytes).toBe(300 * MEBIBYTE);
  });

  test('are a single one with all threads when it is large', () => {
    const { many, alone, bytes } = modelsOf(553);
    expect([many.threads, many.engines]).toEqual([2, 1]);
    expect(alone).toBe(many);
    expect(bytes).toBe(553 * MEBIBYTE);
  });

  test('are fewer when there is little memory', () => {
    const { many, alone, bytes } = modelsOf(100, { memoryBytes: 150 * MEBIBYTE });
    expect(many.engines).toBe(1);
    expect(alone).toBe(many);
    expect(bytes).toBe(100 * MEBIBYTE);
  });

  test('are none where it does not fit at all; the error names the setting to raise', () => {
    expect(() => modelsOf(553, { memoryBytes: 500 * MEBIBYTE })).toThrow(AppError);
    expect(() => modelsOf(553, { memoryBytes: 500 * MEBIBYTE })).toThrow('MODEL_MEMORY_BYTES');
  });
});
