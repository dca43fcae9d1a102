import { spawnSync } from 'node:child_process';

/** Builds the page as `npm start` does. */
export default function build(): void {
  const { status } = spawnSync(process.execPath, ['scripts/build-page.mjs'], { stdio: 'inherit' });
  if (status !== 0) throw new Error('the page could not be built');
}
