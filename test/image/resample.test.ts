import { afterEach, describe, expect, it, vi } from 'vitest';
import { fastResample } from '../../src/image/fast-resample.ts';
import { type Kernel, type RgbImage, resample, type Window } from '../../src/image/resample.ts';

/** A grey row, as an RGB image of one row. */
function row(...greys: number[]) {
  return { pixels: Uint8Array.from(greys.flatMap((grey) => [grey, grey, grey])), width: greys.length, height: 1 };
}

const whole = (width: number) => ({ left: 0, top: 0, width, height: 1 });
const greysOf = (pixels: Uint8Array) => [...pixels].filter((_, i) => i % 3 === 0);

describe.each([
  ['resample', resample],
  ['fastResample', fastResample],
])('%s gives the bytes that Pillow gives', (_, resample) => {
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

describe('fastResample gives the bytes of resample', () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.resetModules();
  });

  /** Noise of black, white and greys, whose sums overshoot most; the same in every run. */
  function noise(width: number, height: number): RgbImage {
    let state = width * 7919 + height;
    const pixels = Uint8Array.from({ length: width * height * 3 }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.max(0, Math.min(255, (state >>> 23) - 128));
    });
    return { pixels, width, height };
  }

  const cases: [Kernel, RgbImage, number, number, Window][] = [
    ['bilinear', noise(97, 61), 64, 41, { left: 11, top: 0, width: 41, height: 41 }],
    ['bicubic', noise(61, 97), 17, 29, { left: 0, top: 5, width: 17, height: 17 }],
    ['lanczos', noise(131, 40), 23, 7, { left: 3, top: 1, width: 19, height: 6 }],
    ['bicubic', noise(13, 9), 40, 28, { left: 6, top: 0, width: 28, height: 28 }],
    ['bilinear', noise(300, 3), 5, 1, { left: 4, top: 0, width: 1, height: 1 }],
    ['lanczos', noise(1, 1), 6, 6, { left: 0, top: 0, width: 6, height: 6 }],
  ];

  it.each(cases)('%s, part of an image that is shrunk, enlarged or both', (kernel, source, width, height, window) => {
    expect(fastResample(source, width, height, window, kernel)).toEqual(
      resample(source, width, height, window, kernel),
    );
  });

  it('for an image that needs more memory than the kernel keeps', () => {
    const rows = noise(3000, 1);
    const pixels = Buffer.alloc(3000 * 1800 * 3, rows.pixels.subarray(0, 8999));
    const source = { pixels, width: 3000, height: 1800 };
    const window = { left: 1, top: 1, width: 4, height: 3 };
    expect(fastResample(source, 6, 5, window, 'bilinear')).toEqual(resample(source, 6, 5, window, 'bilinear'));
  });

  it('where WebAssembly is switched off', async () => {
    vi.stubGlobal('WebAssembly', undefined);
    vi.resetModules();
    const { fastResample: withoutKernel } = await import('../../src/image/fast-resample.ts');
    const [kernel, source, width, height, window] = cases[0] ?? expect.fail();
    expect(withoutKernel(source, width, height, window, kernel)).toEqual(
      resample(source, width, height, window, kernel),
    );
  });
});
