import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { readCheckedJson, writeCheckedJson } from '../../src/common/checked-json.ts';

const schema = z.object({ images: z.number(), names: z.array(z.string()) });
const value = { images: 20, names: ['a', 'b'] };

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-checked-'));
  path = join(folder, 'facts.json');
  await writeCheckedJson(path, value);
});
afterEach(() => rm(folder, { recursive: true }));

test('a value that was written is read', async () => {
  expect(await readCheckedJson(path, schema)).toEqual(value);
});

test('a missing file has no value', async () => {
  expect(await readCheckedJson(join(folder, 'other.json'), schema)).toBeUndefined();
});

test('a file that is damaged anywhere has no value', async () => {
  const bytes = await readFile(path);
  for (let at = 0; at < bytes.length; at += 1) {
    const damaged = Buffer.from(bytes);
    // The lowest bit makes 20 a 21, and another letter of each letter.
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    await writeFile(path, damaged);
    const read = await readCheckedJson(path, schema);
    if (read !== undefined) expect(read).toEqual(value);
    await writeFile(path, bytes.subarray(0, at));
    if (at < bytes.length - 1) expect(await readCheckedJson(path, schema)).toBeUndefined();
  }
});

test('a value of another schema is none', async () => {
  expect(await readCheckedJson(path, z.object({ pictures: z.number() }))).toBeUndefined();
});
