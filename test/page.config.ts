import { defineConfig } from 'vitest/config';

/** The page in a real browser, against a real server: npm run test:page */
export default defineConfig({
  root: new URL('..', import.meta.url).pathname,
  test: {
    include: ['test/**/*.page.ts'],
    globalSetup: ['test/build.ts', 'test/web/serve-page.ts'],
    // A browser, a server and a test wait for each other: one of each takes less than one of two cores.
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
