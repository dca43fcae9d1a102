import { defineConfig } from 'vitest/config';

/** Full-size models against their goldens: minutes of work, so apart from the suites of every day. */
export default defineConfig({
  root: new URL('..', import.meta.url).pathname,
  test: {
    include: ['test/golden/*.parity.ts'],
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
