import type { HeicPixels } from './heic-decoder.ts';

const [SHORT, LONG, UNDEFINED] = [3, 4, 7];
const HEADER_BYTES = 8;
const ENTRY_BYTES = 12;

/** Writes pixels and their colour profile as a little-endian TIFF of one strip (TIFF 6.0; ICC.1, annex B.4). */
export function uncompressedTiff({ data, width, height, channels }: HeicPixels, profile: Uint8Array): Buffer {
  const hasAlpha = channels === 4;
  const bitsAt = HEADER_BYTES + data.length;
  const profileAt = bitsAt + 2 * channels;
  const directoryAt = profileAt + profile.length + (profile.length % 2);
  // Tag, type, count and value, in the order of the tags.
  const entries: (readonly [tag: number, type: number, count: number, value: number])[] = [
    [256, LONG, 1, width],
    [257, LONG, 1, height],
    [258, SHORT, channels, bitsAt],
    // No compression; RGB.
    [259, SHORT, 1, 1],
    [262, SHORT, 1, 2],
    [273, LONG, 1, HEADER_BYTES],
    [277, SHORT, 1, channels],
    [278, LONG, 1, height],
    [279, LONG, 1, data.length],
    // Alpha that the colours are not multiplied with.
    ...(hasAlpha ? [[338, SHORT, 1, 2] as const] : []),
    [34_675, UNDEFINED, profile.length, profileAt],
  ];
  const file = Buffer.alloc(directoryAt + 2 + entries.length * ENTRY_BYTES + 4);
  file.write('II*\0', 'latin1');
  file.writeUInt32LE(directoryAt, 4);
  file.set(data, HEADER_BYTES);
  for (let channel = 0; channel < channels; channel += 1) file.writeUInt16LE(8, bitsAt + 2 * channel);
  file.set(profile, profileAt);
  let at = file.writeUInt16LE(entries.length, directoryAt);
  for (const [tag, type, count, value] of entries) {
    at = file.writeUInt16LE(tag, at);
    at = file.writeUInt16LE(type, at);
    at = file.writeUInt32LE(count, at);
    at = file.writeUInt32LE(value, at);
  }
  return file;
}
