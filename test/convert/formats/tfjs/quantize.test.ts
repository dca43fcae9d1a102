import { mkdtemp, readFile, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { WrittenFile } from '../../../../src/convert/formats/file-sink.ts';
import { writeTfjs } from '../../../../src/convert/formats/tfjs/emitter.ts';
import { quantizeTfjs } from '../../../../src/convert/formats/tfjs/quantize.ts';
import { conv2d } from '../../../../src/convert/graph/ir.ts';
import { constantWeight } from '../../constant-weight.ts';
import { smallGraph } from '../../small-graph.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-quantize-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** A model with weights that continue from one shard to the next. */
const wide = smallGraph([4, 4], (x) => conv2d('conv', x, { weight: constantWeight('w', [200_000, 3, 1, 2]) }));
const json = async (file: WrittenFile | undefined) => JSON.parse(await readFile(file?.path ?? '', 'utf8'));
const listOf = (files: readonly WrittenFile[]) => files.map(({ path, size, sha256 }) => [basename(path), size, sha256]);

test.each(['float16', 'uint8'] as const)(
  '%s: the result is the same as a model written with this storage',
  async (storage) => {
    const [exact] = await writeTfjs(wide, join(folder, 'exact'));
    const [model, ...shards] = await writeTfjs(wide, join(folder, 'direct'), { storage });
    const [again, ...others] = await quantizeTfjs(exact?.path ?? '', join(folder, 'quantized'), storage);
    expect(listOf(others)).toEqual(listOf(shards));
    expect(await json(again)).toEqual(await json(model));
  },
);

test('a shard that is cut off is an error', async () => {
  const [model, first] = await writeTfjs(wide, join(folder, 'exact'));
  await truncate(first?.path ?? '', 1000);
  await expect(quantizeTfjs(model?.path ?? '', join(folder, 'quantized'), 'uint8')).rejects.toThrow('shards end');
});
