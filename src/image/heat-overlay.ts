import sharp from 'sharp';
import { type DecodeTurn, decodeNow, openImage, toPixels } from './decode.ts';
import { type ImageHeader, readHeader } from './header.ts';
import { heatColours } from './heat-colours.ts';
import { resample, type Window } from './resample.ts';

/** The heat of each cell of a grid, 0..1, row by row. */
export interface Heatmap {
  readonly height: number;
  readonly width: number;
  readonly values: Float32Array;
}

/** A heatmap and how to draw it over a photo. */
export interface HeatLayer {
  readonly heatmap: Heatmap;
  /** What the grid covers, in pixels of the upright photo. It may extend beyond the photo. */
  readonly crop: Window;
  /** Opacity of the hottest cell, 0..1. */
  readonly opacity: number;
}

/** The longest side of the drawing in pixels: enough for a screen, and a PNG of a few megabytes at most. */
const LONGEST_SIDE = 1024;
/** Cells are smoothed to this many pixels a side before they are coloured; libvips enlarges the coloured image. */
const PIXELS_PER_CELL = 8;

/**
 * Draws a heatmap over its photo: the whole photo, upright, reduced to `LONGEST_SIDE` if it is larger.
 * @param maxPixels the largest allowed product of width and height of the photo
 * @param turn waits until the photo may be decoded
 * @returns a PNG
 * @throws AppError `empty_image`, `unsupported_image`, `corrupt_image` or `image_too_large`
 */
export async function drawHeat(
  photo: Uint8Array,
  layer: HeatLayer,
  maxPixels: number,
  turn: DecodeTurn = decodeNow,
): Promise<Buffer> {
  const header = await readHeader(photo, maxPixels);
  return await turn(header.width * header.height, (signal) => draw(photo, header, layer, signal));
}

async function draw(
  photo: Uint8Array,
  header: ImageHeader,
  layer: HeatLayer,
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  const scale = Math.min(1, LONGEST_SIDE / Math.max(header.width, header.height));
  const [width, height] = [atLeastOne(header.width * scale), atLeastOne(header.height * scale)];
  const { grid, part } = wholePixels(layer.crop, scale, { width, height });
  const heat = await colouredHeat(layer)
    .resize(grid.width, grid.height, { fit: 'fill', kernel: 'cubic' })
    .extract({ ...part, left: part.left - grid.left, top: part.top - grid.top })
    .png({ compressionLevel: 0 })
    .toBuffer();
  // The photo becomes RGB first: libvips composes in the photo's colour space, and a grey one would show no heat.
  const opened = await openImage(
    photo,
    header,
    (image) => toPixels(image.autoOrient().resize(width, height, { fit: 'fill' })),
    { signal },
  );
  const { pixels, ...size } = opened.value;
  return await sharp(pixels, { raw: { ...size, channels: 3 } })
    .composite([{ input: heat, left: part.left, top: part.top }])
    .removeAlpha()
    .png()
    .toBuffer();
}

function colouredHeat({ heatmap, opacity }: HeatLayer) {
  const { height, width, values } = heatmap;
  const grey = Uint8Array.from({ length: values.length * 3 }, (_, index) => {
    return Math.round(255 * (values[Math.floor(index / 3)] ?? 0));
  });
  const [columns, rows] = [width * PIXELS_PER_CELL, height * PIXELS_PER_CELL];
  const whole = { left: 0, top: 0, width: columns, height: rows };
  const smooth = resample({ pixels: grey, width, height }, columns, rows, whole, 'bicubic');
  const colours = heatColours(opacity);
  const coloured = new Uint8Array(columns * rows * 4);
  for (let pixel = 0; pixel < columns * rows; pixel += 1) {
    const step = 4 * (smooth[3 * pixel] ?? 0);
    coloured.set(colours.subarray(step, step + 4), 4 * pixel);
  }
  return sharp(coloured, { raw: { width: columns, height: rows, channels: 4 } });
}

/** A window of the photo in whole pixels of the drawing: the grid, and the part of it that lies on the photo. */
function wholePixels(
  window: Window,
  scale: number,
  drawing: { readonly width: number; readonly height: number },
): { readonly grid: Window; readonly part: Window } {
  const along = (start: number, length: number, side: number) => {
    const from = Math.min(Math.round(start * scale), side - 1);
    const size = atLeastOne(length * scale);
    const first = Math.max(0, from);
    return { from, size, first, shown: atLeastOne(Math.min(from + size, side) - first) };
  };
  const across = along(window.left, window.width, drawing.width);
  const down = along(window.top, window.height, drawing.height);
  return {
    grid: { left: across.from, top: down.from, width: across.size, height: down.size },
    part: { left: across.first, top: down.first, width: across.shown, height: down.shown },
  };
}

function atLeastOne(size: number): number {
  return Math.max(1, Math.round(size));
}
