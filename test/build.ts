import { spawnSync } from 'node:child_process';

/**
 * Compiles `src` and `scripts` once before the suites: children are forked from JavaScript. A type error is printed but
 * stops no suite; `npm run check` is what fails on it.
 */
export default function build(): void {
  spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '--build'], { stdio: 'inherit' });
}
