import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { GrowingBuffer } from '../../src/http/growing-buffer.ts';

const MEBIBYTE = 1024 * 1024;

describe('a growing buffer', () => {
  it.each([
    ['nothing', 0],
    ['a small body', 100_000],
    ['a body that takes several steps', 9 * MEBIBYTE + 7],
    ['a body of the announced maximum', 10 * MEBIBYTE],
  ])('has all bytes in their order: %s', (_, length) => {
    const body = randomBytes(length);
    const buffer = new GrowingBuffer(10 * MEBIBYTE);
    for (let start = 0; start < length; start += 65_536) buffer.append(body.subarray(start, start + 65_536));
    expect(buffer.bytes().equals(body)).toBe(true);
  });

  it('takes the chunk that exceeds its maximum, which the reader of the body refuses', () => {
    const buffer = new GrowingBuffer(2 * MEBIBYTE);
    buffer.append(Buffer.alloc(2 * MEBIBYTE, 1));
    buffer.append(Buffer.alloc(65_536, 2));
    expect(buffer.bytes().length).toBe(2 * MEBIBYTE + 65_536);
  });

  it('joins chunks as they arrive: they can be freed, and the whole owns its memory', () => {
    const chunk = Buffer.alloc(65_536, 1);
    const buffer = new GrowingBuffer(10 * MEBIBYTE);
    for (let i = 0; i < 32; i++) buffer.append(chunk);
    chunk.fill(2);
    buffer.append(chunk);
    const bytes = buffer.bytes();
    expect([bytes[0], bytes.at(-1), bytes.buffer.byteLength]).toEqual([1, 2, bytes.length]);
  });
});
