import { execFileSync } from 'node:child_process';

/** Compiles `src` and `scripts` once before the suites: engines are forked from JavaScript. */
export default function build(): void {
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '--build'], { stdio: 'inherit' });
}
