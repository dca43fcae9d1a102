import { describe, expect, it } from 'vitest';
import { resample } from '../../src/image/resample.ts';

/** A grey row, as an RGB image of one row. */
function row(...greys: number[]) {
  return { pixels: Uint8Array.from(greys.flatMap((grey) => [grey, grey, grey])), width: greys.length, height: 1 };
}

const whole = (width: number) => ({ left: 0, top: 0, width, height: 1 });
const greysOf = (pixels: Uint8Array) => [...pixels].filter((_, i) => i % 3 === 0);

describe('resample gives the bytes that Pillow gives', () => {
  const ramp = row(0, 30, 60, 90, 200, 90, 60, 30);

  it.each([
    ['bilinear', 12, [0, 15, 35, 55, 75, 108, 182, 145, 85, 65, 45, 30]],
    ['bicubic', 12, [0, 12, 35, 55, 70, 106, 193, 154, 80, 64, 42, 28]],
    ['bilinear', 16, [0, 8, 23, 38, 53, 68, 83, 118, 173, 173, 118, 83, 68, 53, 38, 30]],
    ['bicubic', 16, [0, 5, 21, 38, 53, 66, 77, 117, 186, 186, 117, 77, 66, 51, 35, 27]],
    ['bilinear', 5, [12, 58, 139, 103, 42]],
    ['bicubic', 5, [10, 53, 148, 104, 38]],
    ['lanczos', 5, [11, 48, 151, 108, 33]],
    ['lanczos', 12, [0, 11, 36, 58, 63, 110, 195, 159, 76, 62, 43, 28]],
  ] as const)('%s, 8 pixels to %i', (kernel, width, expected) => {
    expect(greysOf(resample(ramp, width, 1, whole(width), kernel))).toEqual(expected);
  });

  it('returns the part inside the window', () => {
    const all = greysOf(resample(ramp, 16, 1, whole(16), 'bicubic'));
    const part = greysOf(resample(ramp, 16, 1, { left: 5, top: 0, width: 4, height: 1 }, 'bicubic'));
    expect(part).toEqual(all.slice(5, 9));
  });

  it('treats both directions the same', () => {
    const column = { ...ramp, width: 1, height: 8 };
    const down = resample(column, 1, 12, { left: 0, top: 0, width: 1, height: 12 }, 'lanczos');
    expect(greysOf(down)).toEqual(greysOf(resample(ramp, 12, 1, whole(12), 'lanczos')));
  });

  it('does not mix the channels', () => {
    const image = { pixels: Uint8Array.of(255, 0, 7, 0, 255, 7), width: 2, height: 1 };
    expect([...resample(image, 4, 1, whole(4), 'bilinear')]).toEqual([255, 0, 7, 191, 64, 7, 64, 191, 7, 0, 255, 7]);
  });
});
