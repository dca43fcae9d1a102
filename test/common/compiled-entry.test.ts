import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { compiledEntry } from '../../src/common/compiled-entry.ts';

test('from a TypeScript file, the entry is the compiled one', () => {
  const from = new URL('../../src/serving/engine-pool.ts', import.meta.url).href;
  const entry = compiledEntry(from, 'engine-child.js');
  expect(entry).toMatch(/dist[/\\]src[/\\]serving[/\\]engine-child\.js$/);
  expect(existsSync(entry)).toBe(true);
});

test('from a JavaScript file, the entry is beside it, whatever the parent folders are called', () => {
  const from = pathToFileURL('/home/src/menagerie/dist/src/serving/engine-pool.js').href;
  expect(compiledEntry(from, 'engine-child.js')).toBe('/home/src/menagerie/dist/src/serving/engine-child.js');
});
