import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { compiledEntry } from '../src/compiled.ts';

test('a child of TypeScript is its compiled self', () => {
  const from = new URL('../src/engine/pool.ts', import.meta.url).href;
  const entry = compiledEntry(from, 'child.js');
  expect(entry).toMatch(/dist[/\\]src[/\\]engine[/\\]child\.js$/);
  expect(existsSync(entry)).toBe(true);
});

test('a child of JavaScript lies beside it, whatever the folders above are called', () => {
  const from = pathToFileURL('/home/src/menagerie/dist/src/engine/pool.js').href;
  expect(compiledEntry(from, 'child.js')).toBe('/home/src/menagerie/dist/src/engine/child.js');
});
