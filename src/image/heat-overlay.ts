import sharp from 'sharp';
import { openImage, readHeader } from './decode.ts';
import { heatColours } from './heat-colours.ts';
import { resample, type Window } from './resample.ts';

/** How hot each cell of a grid is, 0..1, row by row. */
export interface Heatmap {
  readonly height: number;
  readonly width: number;
  readonly values: Float32Array;
}

/** What is laid over a photo, and how. */
export interface HeatLayer {
  readonly heatmap: Heatmap;
  /** The part of the upright photo that the grid covers, in its pixels. */
  readonly crop: Window;
  /** Of the hottest cell, 0..1. */
  readonly opacity: number;
}

/** The longer side of a drawn photo in pixels: enough for a screen, and a PNG of a few megabytes at worst. */
const LONGEST_SIDE = 1024;
/** Each cell is smoothed to so many pixels across before it is coloured; libvips stretches the colours from there. */
const PIXELS_PER_CELL = 8;

/**
 * Lays a heatmap over its photo: the whole photo, upright, reduced to `LONGEST_SIDE` where it is larger.
 * @param maxPixels the most that width times height of the photo may be
 * @returns a PNG
 * @throws AppError `empty_image`, `unsupported_image`, `corrupt_image` or `image_too_large`
 */
export async function drawHeat(photo: Uint8Array, layer: HeatLayer, maxPixels: number): Promise<Buffer> {
  const header = await readHeader(photo, maxPixels);
  const scale = Math.min(1, LONGEST_SIDE / Math.max(header.width, header.height));
  const [width, height] = [atLeastOne(header.width * scale), atLeastOne(header.height * scale)];
  const area = wholePixels(layer.crop, scale, { width, height });
  const heat = await colouredHeat(layer)
    .resize(area.width, area.height, { fit: 'fill', kernel: 'cubic' })
    .png({ compressionLevel: 0 })
    .toBuffer();
  // The photo becomes pixels first: libvips composes in the colours of the photo, and grey ones would show no heat.
  const { data, info } = await openImage(photo, header)
    .autoOrient()
    .resize(width, height, { fit: 'fill' })
    .flatten({ background: '#ffffff' })
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  return await sharp(data, { raw: { width: info.width, height: info.height, channels: info.channels } })
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

/** A window of the photo on the drawing, not beyond its edges. */
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
