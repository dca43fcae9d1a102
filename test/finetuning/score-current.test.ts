import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { scoreCurrent } from '../../src/finetuning/score-current.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'score-current-'));
});
afterAll(() => rm(folder, { recursive: true }));

const classes = ['red', 'blue'];
const source = { read: () => Promise.reject(new Error('there are no images')) };

const current = (file: string) => ({
  onnxPath: join(folder, file),
  maxBatch: undefined,
  labels: classes,
  preprocessing: { inputSize: [8, 8], resizeMode: 'crop', cropPct: 1, interpolation: 'bilinear' } as const,
});

const score = (file: string) =>
  scoreCurrent({ current: current(file), maxImagePixels: 1_000 }, { classes, images: [] }, source);

it('does not compare with a version that was removed while the new one was trained', async () => {
  expect(await score('removed.onnx')).toBeUndefined();
});

it('fails where the version is there and cannot be loaded', async () => {
  await writeFile(join(folder, 'damaged.onnx'), 'no model');
  await expect(score('damaged.onnx')).rejects.toThrow(/damaged\.onnx/);
});
