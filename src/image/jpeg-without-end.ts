import sharp from 'sharp';
import { messageOf } from '../common/errors.ts';
import type { ImageHeader } from './header.ts';
import { hasAllScans } from './jpeg-scans.ts';

const END_OF_IMAGE = Buffer.from([0xff, 0xd9]);
/** Rows at the lower edge that are compared: more than one row of blocks of any sampling. */
const COMPARED_ROWS = 64;

/**
 * What a JPEG is continued with to see whether its decoder still waits for coded data. If it does, each continuation
 * gives other pixels: nothing, or one of two kinds of codes. All restart markers are among them, since a decoder that
 * waits for one passes over other data.
 */
const CONTINUATIONS = [END_OF_IMAGE, continuation(0xfe, 0), continuation(0x5a, 4)];

function continuation(codes: number, firstRestart: number): Buffer {
  const data = Buffer.alloc(64, codes);
  const restarts = Array.from({ length: 8 }, (_, index) => Buffer.from([0xff, 0xd0 + ((firstRestart + index) % 8)]));
  return Buffer.concat([data, ...restarts.flatMap((restart) => [restart, data]), END_OF_IMAGE]);
}

/**
 * A JPEG that lacks its end marker only, with that marker; undefined when coded data is missing too, or when decoding
 * failed for another reason. The last rows depend on the end of the coded data, in progressive files as well.
 * @param failure the error of decoding the file
 */
export async function completedJpeg(
  bytes: Uint8Array,
  { width, height, turned }: ImageHeader,
  failure: unknown,
): Promise<Buffer | undefined> {
  if (!/premature end of JPEG image/.test(messageOf(failure))) return undefined;
  // A 0xff at the end is the first half of the end marker, or of coded data whose second half is missing.
  const whole = bytes.at(-1) === 0xff ? bytes.subarray(0, -1) : bytes;
  if (!hasAllScans(whole)) return undefined;
  const stored = turned ? { width: height, height: width } : { width, height };
  const top = Math.max(0, stored.height - COMPARED_ROWS);
  let right: Buffer | undefined;
  for (const end of CONTINUATIONS) {
    const rows = await sharp(Buffer.concat([whole, end]), {
      failOn: 'none',
      ignoreIcc: true,
      limitInputPixels: false,
      sequentialRead: true,
    })
      .extract({ left: 0, top, width: stored.width, height: stored.height - top })
      .raw()
      .toBuffer();
    if (right !== undefined && !rows.equals(right)) return undefined;
    right = rows;
  }
  return Buffer.concat([whole, END_OF_IMAGE]);
}
