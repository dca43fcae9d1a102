import { expect, test } from 'vitest';
import { settingsHelp } from '../../src/command/settings-help.ts';
import { SETTING_NAMES } from '../../src/config.ts';

test('the help lists every setting with its default', () => {
  const help = settingsHelp();
  for (const name of SETTING_NAMES) expect(help).toMatch(new RegExp(`^  ${name} `, 'm'));
  expect(help).toMatch(/MAX_BATCH_SIZE +The most images in one batch \(1 to 256; default 16\)/);
  expect(Math.max(...help.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(100);
});
