import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { packageFile } from '../../../src/common/package-files.ts';

test('a program with a shifted clock has another time, and the same dates', () => {
  const clock = packageFile('dist', 'test', 'cluster', 'world', 'shifted-clock.js');
  const print = `console.log(JSON.stringify([Date.now(), +new Date(), +new Date(5), new Date().constructor === Date,
    new Date() instanceof Date, Date.parse('1970-01-01'), +new Date(Date()) > 0]))`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--import', clock, '-e', print], {
    env: { ...process.env, CLOCK_SHIFT_MS: '-600000' },
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  const [now, made, ...rest] = JSON.parse(stdout) as [number, number, ...unknown[]];
  // The test itself takes some of these minutes.
  for (const time of [now, made]) expect(Math.abs(Date.now() - time - 600_000)).toBeLessThan(300_000);
  expect(rest).toEqual([5, true, true, 0, true]);
});
