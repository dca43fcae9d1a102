import { defineConfig } from 'vitest/config';

/** The page in a real browser, against a real server: npm run test:page */
export default defineConfig({
  root: new URL('..', import.meta.url).pathname,
  test: {
    include: ['test/**/*.page.ts'],
    globalSetup: ['test/build.ts', 'test/web/build-page.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // One server and one browser at a time.
    fileParallelism: false,
  },
});
