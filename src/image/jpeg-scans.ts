import { isFrame, START_OF_SCAN, segments } from './jpeg-segments.ts';

/** Coefficients of a block. */
const COEFFICIENTS = 64;

/**
 * Whether the scans of a JPEG, as far as there are any, give every coefficient of every component to its last bit. A
 * scan that is cut short counts as whole. Source: ITU-T T.81, annexes B and G.
 */
export function hasAllScans(file: Uint8Array): boolean {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.length);
  /** By component: the lowest bit that is known of each coefficient. */
  const lowestBits = new Map<number, Uint8Array>();
  for (const { marker, segment } of segments(bytes)) {
    if (isFrame(marker)) {
      // Of arithmetic coding, no decoder notices that it ends too early.
      if (marker > 0xc2) return false;
      for (const id of componentIds(segment, 5, 3)) lowestBits.set(id, new Uint8Array(COEFFICIENTS).fill(255));
    } else if (marker === START_OF_SCAN) {
      const [first = 0, last = 0, bits = 0] = segment.subarray(1 + 2 * (segment[0] ?? 0));
      for (const id of componentIds(segment, 0, 2)) lowestBits.get(id)?.fill(bits & 15, first, last + 1);
    }
  }
  return lowestBits.size > 0 && [...lowestBits.values()].every((bits) => bits.every((bit) => bit === 0));
}

/** The identifiers of components in a segment that has their number at `at` and then so many bytes for each. */
function componentIds(segment: Buffer, at: number, bytesEach: number): number[] {
  return Array.from({ length: segment[at] ?? 0 }, (_, index) => segment[at + 1 + index * bytesEach] ?? 0);
}
