/**
 * 256 colours from cold to hot, as RGBA of 4 bytes each. Their lightness in OKLab
 * (https://bottosson.github.io/posts/oklab/) rises evenly, so that hotter cells look brighter in print and to people
 * who cannot see hues. The hue goes from violet through red to yellow. Colours outside sRGB lose chroma, not
 * lightness. Alpha rises evenly from 0 to `opacity` (0..1), so that the photo shows where it is cold.
 */
export function heatColours(opacity: number): Uint8Array {
  const colours = new Uint8Array(256 * 4);
  for (let step = 0; step < 256; step += 1) {
    const heat = step / 255;
    colours.set([...colourOf(heat), Math.round(255 * opacity * heat)], step * 4);
  }
  return colours;
}

/** Lightness (0..1) and hue (degrees) of the coldest and the hottest colour. */
const LIGHTNESS = [0.25, 0.93] as const;
const HUE = [-75, 105] as const;
const CHROMA = 0.17;

function colourOf(heat: number): number[] {
  const lightness = between(LIGHTNESS, heat);
  const hue = (between(HUE, heat) * Math.PI) / 180;
  for (let chroma = CHROMA; ; chroma -= 0.002) {
    const linear = linearRgb(lightness, chroma * Math.cos(hue), chroma * Math.sin(hue));
    if (linear.every((value) => value >= 0 && value <= 1) || chroma <= 0) return linear.map(screenByte);
  }
}

function between([from, to]: readonly [number, number], share: number): number {
  return from + (to - from) * share;
}

/** OKLab to linear sRGB. */
function linearRgb(lightness: number, a: number, b: number): number[] {
  const long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const short = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
    -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
    -0.0041960863 * long - 0.7034186147 * medium + 1.707614701 * short,
  ];
}

/** Encodes a linear value with the transfer function of sRGB. */
function screenByte(linear: number): number {
  const value = linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055;
  return Math.round(255 * Math.min(Math.max(value, 0), 1));
}
