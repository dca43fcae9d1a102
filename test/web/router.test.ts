import { expect, test } from 'vitest';
import { hrefOf, parseRoute } from '../../src/web/router.ts';

test('a place has an address, and is found by it', () => {
  const href = hrefOf(['zoo', 'a/b c'], { model: 'flowers@2' });
  const { path, query } = parseRoute(href);
  expect(path).toEqual(['zoo', 'a/b c']);
  expect(query.get('model')).toBe('flowers@2');
});

test.each([
  ['', []],
  ['#/', []],
  ['#/zoo/', ['zoo']],
  ['#/zoo/%E0%A4%A', ['zoo', '%E0%A4%A']],
])('what is typed is read: %s', (hash, path) => {
  expect(parseRoute(hash).path).toEqual(path);
});
