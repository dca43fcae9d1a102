import { expect, test } from 'vitest';
import { childOf, formatTraceparent, parseTraceparent } from '../../src/metrics/trace-context.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const HEADER = `00-${TRACE}-b7ad6b7169203331-01`;

test('a child stays in the trace, in a span of its own', () => {
  const caller = parseTraceparent(HEADER);
  expect(caller && formatTraceparent(caller)).toBe(HEADER);
  const child = caller && childOf(caller);
  expect(child).toMatchObject({ traceId: TRACE, flags: '01' });
  expect(child?.spanId).toMatch(/^(?!b7ad6b7169203331)[0-9a-f]{16}$/);
});

test('later versions may have more fields', () => {
  expect(parseTraceparent(`01-${TRACE}-b7ad6b7169203331-01-more`)?.traceId).toBe(TRACE);
});

test.each([
  undefined,
  '',
  'x',
  HEADER.toUpperCase(),
  `ff-${TRACE}-b7ad6b7169203331-01`,
  `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
  `00-${TRACE}-${'0'.repeat(16)}-01`,
])('%s is none', (header) => {
  expect(parseTraceparent(header)).toBeUndefined();
});
