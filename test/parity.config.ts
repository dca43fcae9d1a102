import { defineConfig } from 'vitest/config';
import { common, root } from './vitest.config.ts';

/** Full-size models, generated and pulled for real: minutes of work, so apart from the suites of every day. */
export default defineConfig({
  root,
  test: { ...common, include: ['test/**/*.parity.ts'], testTimeout: 300_000, hookTimeout: 300_000 },
});
