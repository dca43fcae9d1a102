import { describe, expect, test } from 'vitest';
import { Closers, closingOnFailure } from '../../src/common/closers.ts';

describe('what was opened together', () => {
  test('is closed in the opposite order, one after the other, and once', async () => {
    const closers = new Closers();
    const closed: string[] = [];
    closers.add(() => closed.push('store'));
    closers.add(async () => {
      await undefined;
      closed.push('server');
    });
    await closers.close();
    await closers.close();
    expect(closed).toEqual(['server', 'store']);
  });

  test('is closed also behind something that cannot be closed, of which the caller hears', async () => {
    const closers = new Closers();
    const closed: string[] = [];
    closers.add(() => closed.push('store'));
    closers.add(() => Promise.reject(new Error('the queue is stuck')));
    await expect(closers.close()).rejects.toThrow('the queue is stuck');
    expect(closed).toEqual(['store']);
  });

  test('is closed when the next cannot be opened, which is what the caller hears', async () => {
    const closed: string[] = [];
    const opening = closingOnFailure(async (closers) => {
      closers.add(() => closed.push('store'));
      closers.add(() => Promise.reject(new Error('the queue is stuck')));
      throw new Error('the port is in use');
    });
    await expect(opening).rejects.toThrow('the port is in use');
    expect(closed).toEqual(['store']);
  });

  test('stays open when all could be opened', async () => {
    const closed: string[] = [];
    const close = await closingOnFailure(async (closers) => {
      closers.add(() => closed.push('store'));
      return () => closers.close();
    });
    expect(closed).toEqual([]);
    await close();
    expect(closed).toEqual(['store']);
  });
});
