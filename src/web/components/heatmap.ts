import type { Explanation } from '../api/schema.ts';

/** Pixels of the drawing along each side: enough to hide the cells of the grid. */
const FINE = 128;
/** The longer side of the canvas in pixels; the browser scales it to the image. */
const MAX_SIDE = 1024;

/** Colours from 0 to 1: blue, teal, yellow, red, with linear transitions. */
const RAMP = [
  [49, 74, 156],
  [38, 150, 150],
  [245, 205, 71],
  [214, 48, 39],
] as const;

/** Draws a heatmap over the part of the image that the model saw. Hot places are more opaque than cold ones. */
export function drawHeatmap(
  canvas: HTMLCanvasElement,
  { heatmap, crop, image }: Pick<Explanation, 'heatmap' | 'crop' | 'image'>,
): void {
  const scale = Math.min(1, MAX_SIDE / Math.max(image.width, image.height));
  canvas.width = Math.round(image.width * scale);
  canvas.height = Math.round(image.height * scale);
  const context = canvas.getContext('2d');
  if (context === null) return;
  const fine = new OffscreenCanvas(FINE, FINE);
  fine.getContext('2d')?.putImageData(coloured(heatmap.values), 0, 0);
  const [left, top, width, height] = [crop.left, crop.top, crop.width, crop.height].map((value) => value * scale);
  context.imageSmoothingQuality = 'high';
  context.drawImage(fine, left ?? 0, top ?? 0, width ?? 0, height ?? 0);
}

function coloured(values: readonly (readonly number[])[]): ImageData {
  const pixels = new ImageData(FINE, FINE);
  for (let row = 0; row < FINE; row += 1) {
    for (let column = 0; column < FINE; column += 1) {
      const heat = interpolated(values, (row + 0.5) / FINE, (column + 0.5) / FINE);
      pixels.data.set([...rampAt(heat), Math.round(255 * Math.sqrt(heat))], (row * FINE + column) * 4);
    }
  }
  return pixels;
}

/** The bilinearly interpolated value at a place, 0..1 from the top and from the left. */
function interpolated(values: readonly (readonly number[])[], down: number, across: number): number {
  const y = Math.max(0, down * values.length - 0.5);
  const x = Math.max(0, across * (values[0]?.length ?? 1) - 0.5);
  const [top, left] = [Math.floor(y), Math.floor(x)];
  const at = (row: number, column: number): number => {
    const cells = values[Math.min(row, values.length - 1)] ?? [];
    return cells[Math.min(column, cells.length - 1)] ?? 0;
  };
  const mix = (a: number, b: number, share: number): number => a + (b - a) * share;
  return mix(
    mix(at(top, left), at(top, left + 1), x - left),
    mix(at(top + 1, left), at(top + 1, left + 1), x - left),
    y - top,
  );
}

function rampAt(heat: number): number[] {
  const place = heat * (RAMP.length - 1);
  const index = Math.min(Math.floor(place), RAMP.length - 2);
  const [from, to] = [RAMP[index] ?? RAMP[0], RAMP[index + 1] ?? RAMP[0]];
  return from.map((value, channel) => Math.round(value + ((to[channel] ?? value) - value) * (place - index)));
}
