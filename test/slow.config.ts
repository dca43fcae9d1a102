import { defineConfig } from 'vitest/config';
import everyday from './vitest.config.ts';

/**
 * What takes long because it trains, waits for a limit, or kills a server. It is apart so that `npm test` stays under three
 * minutes.
 */
export default defineConfig({
  ...everyday,
  test: { ...everyday.test, include: ['test/**/*.slow.ts'] },
});
