import { expect, it } from 'vitest';
import { installNativeBinding } from '../../src/runtime/native-binding.ts';
import { NATIVE_ABSENT, nativeIsBuilt } from '../native-tensorflow.ts';

if (nativeIsBuilt()) {
  it('does nothing where the binding is there already', async () => {
    const lines: string[] = [];
    expect(await installNativeBinding((line) => lines.push(line))).toBe('already there');
    expect(lines).toEqual([]);
  });
} else {
  it.skip(NATIVE_ABSENT, () => undefined);
}
