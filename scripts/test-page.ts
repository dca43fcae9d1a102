/**
 * Tests the page in Chromium: npm run test:page [-- vitest's options]
 *
 * Takes the browser of the system, or the one named by CHROMIUM. Where there is none it is installed from Debian, if this
 * process may; else nothing is tested, and a line says so.
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
  console.log('The page was not tested: there is no Chromium (apt-get install chromium, or name one in CHROMIUM).');
} else {
  const args = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/page.config.ts', ...process.argv.slice(2)];
  const { status } = spawnSync(process.execPath, args, {
    stdio: 'inherit',
    env: { ...process.env, CHROMIUM: chromium },
  });
  process.exitCode = status ?? 1;
}
