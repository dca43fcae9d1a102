import type { MemoryPlan, PixelKernel } from '../pixel-kernel.ts';
import type { Window } from '../resample.ts';
import { ZIGZAG } from './coded-data.ts';
import { PIXELS_AT_ONCE } from './colours.ts';
import { BLOCK_BYTES } from './inverse-dct.ts';
import { type JpegHeader, NotTaken } from './jpeg-file.ts';
import { onePixel, smallInverseDct } from './small-inverse-dct.ts';

const SIDE = 8;
/** Bytes before and after each row of a plane: its edge is repeated there, and the kernel reads beyond it. */
const MARGIN = PIXELS_AT_ONCE;

/** By how much a JPEG is shrunk while it is decoded. */
export type Shrink = 1 | 2 | 4 | 8;

/** A component: its coefficients, and its samples as they are decoded. */
export interface Plane {
  /** Blocks in a row and rows of blocks, with those that fill the last unit. */
  readonly blocksAcross: number;
  readonly blocksDown: number;
  /** Blocks of a unit. */
  readonly across: number;
  readonly down: number;
  /** Addresses; the coefficients are those of a row of units. */
  readonly coefficients: number;
  readonly divisors: number;
  readonly samples: number;
  readonly stride: number;
  /** Samples on a side of a block: 8, 4, 2 or 1. */
  readonly side: number;
  /** Size in samples. */
  readonly width: number;
  readonly height: number;
  /** Pixels of the shrunk image to a sample, in both directions. */
  readonly wide: number;
  readonly high: number;
  readonly quantization: Uint16Array;
}

/** Plans the planes of an image. @throws NotTaken */
export function planPlanes(
  { width, height, components }: JpegHeader,
  quantization: ReadonlyMap<number, Uint16Array>,
  shrink: Shrink,
  plan: MemoryPlan,
): Plane[] {
  const [maxAcross, maxDown] = [components[0]?.across ?? 1, components[0]?.down ?? 1];
  const [unitsAcross, unitsDown] = [Math.ceil(width / (SIDE * maxAcross)), Math.ceil(height / (SIDE * maxDown))];
  const least = SIDE / shrink;
  return components.map(({ across, down, quantization: id }) => {
    const divisors = quantization.get(id);
    if (divisors === undefined) throw new NotTaken('quantization');
    // Chroma of half the size is not shrunk as often (libjpeg's rule).
    let side = least;
    while (side < SIDE && maxAcross * least >= across * side * 2 && maxDown * least >= down * side * 2) side *= 2;
    const [blocksAcross, blocksDown] = [unitsAcross * across, unitsDown * down];
    const stride = blocksAcross * side + 2 * MARGIN;
    return {
      blocksAcross,
      blocksDown,
      across,
      down,
      coefficients: plan.take(down * blocksAcross * BLOCK_BYTES),
      divisors: plan.take(BLOCK_BYTES),
      samples: plan.take(blocksDown * side * stride + MARGIN) + MARGIN,
      stride,
      side,
      width: Math.ceil((width * across * side) / (maxAcross * SIDE)),
      height: Math.ceil((height * down * side) / (maxDown * SIDE)),
      wide: (maxAcross * least) / (across * side),
      high: (maxDown * least) / (down * side),
      quantization: divisors,
    };
  });
}

/** Before the first block: divisors in natural order, coefficients of zero. */
export function clearPlane(plane: Plane, buffer: ArrayBuffer): void {
  const divisors = new Uint16Array(buffer, plane.divisors, 64);
  plane.quantization.forEach((divisor, k) => {
    divisors[ZIGZAG[k] ?? 0] = divisor;
  });
  clearCoefficients(plane, buffer);
}

export function clearCoefficients({ coefficients, down, blocksAcross }: Plane, buffer: ArrayBuffer): void {
  new Uint8Array(buffer, coefficients, down * blocksAcross * BLOCK_BYTES).fill(0);
}

/**
 * Turns the coefficients of a row of blocks into samples.
 * @param row of all rows of blocks
 * @param seen the part of the shrunk image that is needed
 */
export function toSamples(plane: Plane, kernel: PixelKernel, row: number, seen: Window): void {
  const { side, stride, blocksAcross, wide, high } = plane;
  // One sample more on each side is mixed in.
  const top = row * side * high;
  if (top + side * high < seen.top - high || top > seen.top + seen.height + high) return;
  const first = Math.max(0, Math.floor((seen.left / wide - 1) / side));
  const end = Math.min(blocksAcross, Math.ceil(((seen.left + seen.width + PIXELS_AT_ONCE) / wide + 1) / side));
  const output = plane.samples + row * side * stride + first * side;
  const coefficients = plane.coefficients + ((row % plane.down) * blocksAcross + first) * BLOCK_BYTES;
  if (side === 8) kernel.inverseDct8(coefficients, plane.divisors, end - first, output, stride);
  else if (side === 4) kernel.inverseDct4(coefficients, plane.divisors, end - first, output, stride);
  else {
    const { buffer } = kernel.memory;
    const blocks = new Int16Array(buffer, coefficients, (end - first) * 64);
    const divisors = new Int16Array(buffer, plane.divisors, 64);
    const samples = new Uint8ClampedArray(buffer, output, (side - 1) * stride + (end - first) * side);
    (side === 2 ? smallInverseDct : onePixel)(blocks, divisors, samples, stride);
  }
  repeatEdges(plane, kernel.memory.buffer, row);
}

function repeatEdges({ samples, stride, side, width, height }: Plane, buffer: ArrayBuffer, row: number): void {
  const bytes = new Uint8Array(buffer);
  for (let y = row * side; y < Math.min(height, (row + 1) * side); y += 1) {
    const start = samples + y * stride;
    bytes[start - 1] = bytes[start] ?? 0;
    bytes[start + width] = bytes[start + width - 1] ?? 0;
  }
}
