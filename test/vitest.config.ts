import { defineConfig } from 'vitest/config';

export const root = new URL('..', import.meta.url).pathname;

/** Of every suite. */
export const common = {
  // By default a core is left free, which on two cores means one suite at a time: 236 s instead of 180.
  maxWorkers: '100%',
  // No test has a bound of its own: these only end what hangs, on a machine that does twenty other things too.
  testTimeout: 120_000,
  hookTimeout: 120_000,
  expect: { poll: { timeout: 100_000 } },
};

/**
 * Folders whose files share a process and the modules that they import: it saves nearly half of the processor time of
 * many small files. Files in them replace no modules, and none chooses a backend of TensorFlow.js.
 */
const TOGETHER = ['test/{convert,grpc,http,protocol}/**/*.test.ts'];

export default defineConfig({
  root,
  test: {
    // Children are forked from the compiled code, so the build comes first.
    globalSetup: ['test/build.ts'],
    projects: [
      { root, test: { ...common, name: 'together', include: TOGETHER, isolate: false } },
      { root, test: { ...common, name: 'alone', include: ['test/**/*.test.ts'], exclude: TOGETHER } },
    ],
  },
});
