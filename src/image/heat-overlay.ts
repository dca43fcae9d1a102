import sharp from 'sharp';
import { type DecodeTurn, decodeNow, type ImageHeader, openImage, readHeader, toPixels } from './decode.ts';
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
  /** The part of the upright photo that the grid covers, in pixels of the photo. */
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
  return await turn(header.width * header.height, () => draw(photo, header, layer));
}

async function draw(photo: Uint8Array, header: ImageHeader, layer: HeatLayer): Promise<Buffer> {
  const scale = Math.min(1, LONGEST_SIDE / Math.max(header.width, header.height));
  const [width, height] = [atLeastOne(header.width * scale), atLeastOne(header.height * scale)];
  const area = wholePixels(layer.crop, scale, { width, height });
  const heat = await colouredHeat(layer)
    .resize(area.width, area.height, { fit: 'fill', kernel: 'cubic' })
    .png({ compressionLevel: 0 })
    .toBuffer();
  // The photo becomes RGB first: libvips composes in the photo's colour space, and a grey one would show no heat.
  const resized = openImage(photo, header).autoOrient().resize(width, height, { fit: 'fill' });
  const { pixels, ...size } = await toPixels(resized);
  return await sharp(pixels, { raw: { ...size, channels: 3 } })
    .composite([{ input: heat, left: area.left, top: area.top }])
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

/** A window of the photo in whole pixels of the drawing, cut at its edges. */
function wholePixels({ left, top, width, height }: Window, scale: number, drawing: { width: number; height: number }) {
  const x = Math.min(Math.round(left * scale), drawing.width - 1);
  const y = Math.min(Math.round(top * scale), drawing.height - 1);
  return {
    left: x,
    top: y,
    width: Math.min(atLeastOne(width * scale), drawing.width - x),
    height: Math.min(atLeastOne(height * scale), drawing.height - y),
  };
}

function atLeastOne(size: number): number {
  return Math.max(1, Math.round(size));
}
