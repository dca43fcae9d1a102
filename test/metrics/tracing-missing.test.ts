import { expect, it, vi } from 'vitest';
import { createLogger } from '../../src/common/logger.ts';
import { startTracing } from '../../src/metrics/tracing.ts';

vi.mock('@opentelemetry/sdk-node', () => {
  throw new Error('Cannot find package');
});

it('without the SDK the log says what to install, and the server goes on', async () => {
  const lines: string[] = [];
  const logger = createLogger('warn', { write: (line) => void lines.push(line) });
  expect(await startTracing('1.2.3', logger)).toBeUndefined();
  expect(lines.join()).toContain('npm install @opentelemetry/sdk-node');
});
