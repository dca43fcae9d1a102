import { defineConfig } from 'vitest/config';

/** The page in a real browser, against a real server: npm run test:page */
export default defineConfig({
  root: new URL('..', import.meta.url).pathname,
  test: {
    include: ['test/**/*.page.ts'],
    globalSetup: ['test/build.ts', 'test/web/serve-page.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // They share one server.
    fileParallelism: false,
  },
});
