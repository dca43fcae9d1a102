const ORIENTATION = 0x112;
const SHORT = 3;

/** The orientation in the first directory of Exif data (EXIF 2.32, 4.6.4): 1 when there is none, 0 when it is damaged. */
export function exifOrientation(tiff: Buffer): number {
  const order = tiff.toString('latin1', 0, 4);
  if (tiff.length < 8 || (order !== 'II*\0' && order !== 'MM\0*')) return 0;
  const little = order === 'II*\0';
  const u16 = (at: number) => (little ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at));
  const directory = little ? tiff.readUInt32LE(4) : tiff.readUInt32BE(4);
  if (directory + 2 > tiff.length) return 0;
  const count = u16(directory);
  if (directory + 2 + 12 * count > tiff.length) return 0;
  let orientation: number | undefined;
  for (let index = 0; index < count; index += 1) {
    const entry = directory + 2 + 12 * index;
    if (u16(entry) !== ORIENTATION) continue;
    // Which of two is meant, readers do not agree on.
    if (orientation !== undefined || u16(entry + 2) !== SHORT || u16(entry + 6) + u16(entry + 4) !== 1) return 0;
    orientation = u16(entry + 8);
  }
  return orientation ?? 1;
}
