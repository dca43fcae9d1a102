import { expect, test } from 'vitest';
import { defaultDataDir } from '../../src/settings/default-data-dir.ts';

test.each([
  ['in a checkout', {}, 'linux', true, 'data'],
  ['on Linux', {}, 'linux', false, '/home/ada/.local/share/menagerie'],
  ['where XDG says', { XDG_DATA_HOME: '/mnt/data' }, 'linux', false, '/mnt/data/menagerie'],
  ['not in a relative folder', { XDG_DATA_HOME: 'data' }, 'linux', false, '/home/ada/.local/share/menagerie'],
  ['on macOS', {}, 'darwin', false, '/home/ada/Library/Application Support/menagerie'],
  ['on Windows', { LOCALAPPDATA: '/c/Users/Ada/Local' }, 'win32', false, '/c/Users/Ada/Local/menagerie'],
] as const)('data is kept %s', (_case, environment, platform, checkout, expected) => {
  expect(defaultDataDir(environment, { platform, home: '/home/ada', checkout })).toBe(expected);
});
