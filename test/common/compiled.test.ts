import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { compiledEntry } from '../../src/common/compiled.ts';

test('a child of TypeScript is its compiled self', () => {
  const from = new URL('../../src/serving/engine-pool.ts', import.meta.url).href;
  const entry = compiledEntry(from, 'engine-child.js');
  expect(entry).toMatch(/dist[/\\]src[/\\]serving[/\\]engine-child\.js$/);
  expect(existsSync(entry)).toBe(true);
});

test('a child of JavaScript lies beside it, whatever the folders above are called', () => {
  const from = pathToFileURL('/home/src/menagerie/dist/src/serving/engine-pool.js').href;
  expect(compiledEntry(from, 'engine-child.js')).toBe('/home/src/menagerie/dist/src/serving/engine-child.js');
});
