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

/** Files that replace modules, or settle for their process which TensorFlow.js or tracing it has. */
const ALONE = [
  'test/**/*.{cpu,native,wasm}.test.ts',
  'test/runtime/*.test.ts',
  'test/metrics/tracing*.test.ts',
  'test/finetuning/features/session-*.test.ts',
  'test/web/edge/*.test.ts',
];

export default defineConfig({
  root,
  test: {
    // Children are forked from the compiled code, so the build comes first.
    globalSetup: ['test/build.ts'],
    projects: [
      // Files share the modules that they import: it saves nearly half of the processor time.
      { root, test: { ...common, name: 'together', include: ['test/**/*.test.ts'], exclude: ALONE, isolate: false } },
      { root, test: { ...common, name: 'alone', include: ALONE } },
    ],
  },
});
