import sharp from 'sharp';
import { messageOf } from '../common/errors.ts';
import { hasAllBlocks } from './jpeg-coded-data.ts';
import { hasAllScans } from './jpeg-scans.ts';

const END_OF_IMAGE = Buffer.from([0xff, 0xd9]);

/**
 * A JPEG that lacks its end marker only, with that marker; undefined when coded data is missing too, or when decoding
 * failed for another reason.
 * @param failure the error of decoding the file
 */
export async function completedJpeg(bytes: Uint8Array, failure: unknown): Promise<Buffer | undefined> {
  if (!/premature end of JPEG image/.test(messageOf(failure))) return undefined;
  // A 0xff at the end is the first half of the end marker, or of coded data whose second half is missing.
  const whole = bytes.at(-1) === 0xff ? bytes.subarray(0, -1) : bytes;
  const completed = Buffer.concat([whole, END_OF_IMAGE]);
  const isWhole = (await hasAllBlocks(whole)) ?? (hasAllScans(whole) && (await decodesInSilence(completed)));
  return isWhole ? completed : undefined;
}

/**
 * Whether a JPEG is decoded without any warning, such as that of coded data which ends too early. libvips tells each
 * warning of a JPEG of several scans, which it decodes before the first row. Of others it does not tell those of the
 * last rows.
 */
async function decodesInSilence(bytes: Buffer): Promise<boolean> {
  try {
    // What is computed does not matter; the mean needs the least memory.
    await sharp(bytes, { failOn: 'warning', ignoreIcc: true, limitInputPixels: false, sequentialRead: true })
      .resize(1, 1, { fit: 'fill', kernel: 'nearest', fastShrinkOnLoad: false })
      .raw()
      .toBuffer();
    return true;
  } catch {
    return false;
  }
}
