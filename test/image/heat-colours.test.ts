import { describe, expect, it } from 'vitest';
import { heatColours } from '../../src/image/heat-colours.ts';

const steps = (opacity: number) => {
  const colours = heatColours(opacity);
  return Array.from({ length: 256 }, (_, step) => [...colours.subarray(4 * step, 4 * step + 4)]);
};

/** Relative luminance of an sRGB colour, as of WCAG. */
function luminance([red = 0, green = 0, blue = 0]: readonly number[]): number {
  const [r = 0, g = 0, b = 0] = [red, green, blue].map((byte) => {
    const value = byte / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

describe('the colours of heat', () => {
  it('get brighter with every step, so that they differ without their hue', () => {
    const lights = steps(1).map(luminance);
    const falls = lights.filter((light, step) => step > 0 && light < (lights[step - 1] ?? 0) - 1e-3);
    expect(falls).toEqual([]);
    expect(lights[0]).toBeLessThan(0.05);
    expect(lights[255]).toBeGreaterThan(0.75);
  });

  it('change smoothly', () => {
    const colours = steps(1);
    for (const [step, colour] of colours.slice(1).entries()) {
      for (const [channel, value] of colour.entries()) {
        expect(Math.abs(value - (colours[step]?.[channel] ?? 0))).toBeLessThan(16);
      }
    }
  });

  it('are more opaque the hotter they are', () => {
    const alphas = steps(0.5).map(([, , , alpha]) => alpha);
    expect([alphas[0], alphas[128], alphas[255]]).toEqual([0, 64, 128]);
  });
});
