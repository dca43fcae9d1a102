import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { codeDigest } from '../../src/common/code-digest.ts';

let folders: string[];

beforeEach(() => {
  folders = [];
});

afterEach(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

function digestOf(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'code-digest-'));
  folders.push(folder);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return codeDigest(pathToFileURL(`${folder}/`));
}

test('code has the same digest wherever it lies, and another when a file or a name changes', () => {
  const digest = digestOf({ 'a.js': '1', 'b.js': '2' });
  expect(digest).toMatch(/^[0-9a-f]{64}$/);
  expect(digestOf({ 'a.js': '1', 'b.js': '2', 'notes.md': 'no code', 'a.d.ts': 'no code' })).toBe(digest);
  expect(digestOf({ 'a.js': '1', 'b.js': '3' })).not.toBe(digest);
  expect(digestOf({ 'a.js': '1', 'c.js': '2' })).not.toBe(digest);
});
