import { defineConfig } from 'vitest/config';

/** Full-size models, generated and pulled for real: minutes of work, so apart from the suites of every day. */
export default defineConfig({
  root: new URL('..', import.meta.url).pathname,
  test: {
    include: ['test/**/*.parity.ts'],
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
