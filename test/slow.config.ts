import { defineConfig } from 'vitest/config';
import { common, root } from './vitest.config.ts';

/**
 * What takes long because it trains, waits for a limit, or kills a server. It is apart so that `npm test` stays under three
 * minutes.
 */
export default defineConfig({
  root,
  test: { ...common, include: ['test/**/*.slow.ts'], globalSetup: ['test/build.ts'], testTimeout: 300_000 },
});
