import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isRunning, processStamp } from '../../src/common/process-stamp.ts';

test('a running process is known by its stamp', () => {
  expect(isRunning(processStamp())).toBe(true);
});

test('a process that ended is not running', () => {
  const ended = spawnSync(process.execPath, ['--version']).pid;
  expect(isRunning(processStamp().replace(/^\d+/, String(ended)))).toBe(false);
});

test.skipIf(!existsSync('/proc'))('a later process that got the same id is another one', () => {
  expect(isRunning(processStamp().replace(/-\d+-/, '-1-'))).toBe(false);
});

test('a process of another container cannot be seen and counts as running', () => {
  expect(isRunning(processStamp().replace(/\d+$/, '7'))).toBe(true);
});

test.each(['', '-', '0-0-0', '-1-0-0', 'abc-1-1', '1', '1-1', '1-1-1; rm'])('%j is not a stamp', (text) => {
  expect(isRunning(text)).toBe(false);
});
