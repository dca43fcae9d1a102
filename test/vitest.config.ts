import { defineConfig } from 'vitest/config';

export default defineConfig({
  root: new URL('..', import.meta.url).pathname,
  test: {
    include: ['test/**/*.test.ts'],
    // Children are forked from the compiled code, so the build comes first.
    globalSetup: ['test/build.ts'],
    // By default a core is left free, which on two cores means one suite at a time: 236 s instead of 180.
    maxWorkers: '100%',
    // No test has a bound of its own: these only end what hangs, on a machine that does twenty other things too.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 100_000 } },
  },
});
