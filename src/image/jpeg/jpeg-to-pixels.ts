import { Resampling, type Resize } from '../fast-resample.ts';
import { MemoryPlan } from '../pixel-kernel.ts';
import type { RgbImage } from '../resample.ts';
import { ROWS_AT_ONCE } from '../resample-kernel.ts';
import { JpegDecoder } from './decode-jpeg.ts';
import type { Shrink } from './planes.ts';

/** Rows that are resized at once, while they are in the processor's cache. */
const STRIP = 4 * ROWS_AT_ONCE;

/** Decodes a whole JPEG. @throws NotTaken */
export function decodeJpeg(file: Uint8Array): RgbImage {
  const plan = new MemoryPlan();
  const decoder = new JpegDecoder(file, 1, plan);
  const { width, height } = decoder;
  const rowAt = plan.take(JpegDecoder.rowBytes(0, width));
  const kernel = plan.kernel();
  decoder.decode(kernel, { left: 0, top: 0, width, height });
  const pixels = new Uint8Array(width * height * 3);
  const row = new Uint8Array(kernel.memory.buffer, rowAt, width * 3);
  for (let y = 0; y < height; y += 1) {
    decoder.row(kernel, y, 0, width, rowAt);
    pixels.set(row, y * width * 3);
  }
  return { pixels, width, height };
}

/**
 * Decodes a JPEG, shrunk or not, and resizes it, row by row.
 * @returns the pixels of the resize's window
 * @throws NotTaken
 */
export function resizeJpeg(file: Uint8Array, shrink: Shrink, resize: Resize): Uint8Array<ArrayBuffer> {
  const plan = new MemoryPlan();
  const decoder = new JpegDecoder(file, shrink, plan);
  const { header } = decoder;
  const extent = { width: header.width / shrink, height: header.height / shrink };
  const resampling = new Resampling(decoder, resize, plan, extent);
  const { left, top, width, height } = resampling.seen;
  const stride = JpegDecoder.rowBytes(left, width);
  const strip = plan.take((STRIP + ROWS_AT_ONCE) * stride + resampling.beyond);
  const kernel = plan.kernel();
  resampling.begin(kernel);
  decoder.decode(kernel, resampling.seen);
  const firstPixel = strip + (left - JpegDecoder.firstColumn(left)) * 3;
  for (let from = 0; from < height; from += STRIP) {
    const rows = Math.min(STRIP, height - from);
    for (let row = 0; row < rows; row += 1) {
      decoder.row(kernel, top + from + row, left, width, strip + row * stride);
    }
    resampling.sumAcross(kernel, firstPixel, stride, from, rows);
  }
  return resampling.end(kernel);
}
