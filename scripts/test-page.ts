/**
 * Tests the page in Chromium: npm run test:page [-- options of Vitest]
 *
 * Uses the installed browser, or the one at the path in CHROMIUM. If there is none and this process runs as root on
 * Debian, Chromium is installed; otherwise a message says that the page was not tested.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const CANDIDATES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

function found(): string | undefined {
  return [process.env.CHROMIUM ?? '', ...CANDIDATES].find((path) => path !== '' && existsSync(path));
}

function install(): void {
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return;
  const apt = (...args: string[]) => spawnSync('apt-get', args, { stdio: 'inherit' });
  apt('update');
  apt('install', '--yes', '--no-install-recommends', 'chromium');
}

if (found() === undefined) install();
const chromium = found();
if (chromium === undefined) {
  console.log(
    'The page was not tested: Chromium is missing (apt-get install chromium, or set CHROMIUM to the path of ' +
      'a browser).',
  );
} else {
  const args = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/page.config.ts', ...process.argv.slice(2)];
  const { status } = spawnSync(process.execPath, args, {
    stdio: 'inherit',
    env: { ...process.env, CHROMIUM: chromium },
  });
  process.exitCode = status ?? 1;
}
