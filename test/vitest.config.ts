import { defineConfig } from 'vitest/config';

export default defineConfig({
  root: new URL('..', import.meta.url).pathname,
  test: {
    include: ['test/**/*.test.ts'],
    // Children are forked from the compiled code, so the build comes first.
    globalSetup: ['test/build.ts'],
    // By default a core is left free, which on two cores means one suite at a time: 236 s instead of 180.
    maxWorkers: '100%',
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
