import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isRunning, processStamp } from '../../src/common/process-stamp.ts';

test('a running process is known by its stamp', () => {
  expect(isRunning(processStamp())).toBe(true);
});

test('one that ended is not', () => {
  expect(isRunning(`${spawnSync(process.execPath, ['--version']).pid}-0`)).toBe(false);
});

test.skipIf(!existsSync('/proc'))('a later process that got the same id is another one', () => {
  expect(isRunning(`${process.pid}-1`)).toBe(false);
});

test.each(['', '-', '0-0', '-1-0', 'abc-1', '1', '1-1; rm'])('a text like %j names nobody', (text) => {
  expect(isRunning(text)).toBe(false);
});
