import { sniffKind } from '../common/file-kind.ts';

/** The supported formats, as clients read them. */
export const IMAGE_FORMATS = ['JPEG', 'PNG', 'WebP', 'GIF', 'TIFF', 'AVIF', 'HEIC'] as const;

/** `IMAGE_FORMATS` in a sentence that says what to send. */
export const IMAGE_FORMATS_TEXT = `${IMAGE_FORMATS.slice(0, -1).join(', ')} or ${IMAGE_FORMATS.at(-1)}`;

/** Bytes at the start of a file that signatures and brands are looked for in. */
export const SNIFFED_BYTES = 64;

/** Signatures of the supported formats. */
const SIGNATURES = /^(\xff\xd8\xff|\x89PNG|RIFF....WEBP|GIF8[79]a|II[*+]\0|MM\0[*+])/s;

/** Brands of HEIF files with images, AVIF among them (ISO/IEC 23008-12, registered at mp4ra.org). */
const HEIF_BRANDS = new Set(['mif1', 'mif2', 'msf1', 'heic', 'heix', 'heim', 'heis', 'hevc', 'hevx', 'avif', 'avis']);

/** Starts of files that people send and that are not supported. */
const OTHER_STARTS: readonly (readonly [kind: string, starts: readonly string[]])[] = [
  ['a JPEG XL image', ['\xff\x0a', '\0\0\0\x0cJXL ']],
  ['a JPEG 2000 image', ['\xff\x4f\xff\x51', '\0\0\0\x0cjP  ']],
  ['a Photoshop image', ['8BPS']],
  ['a raw photo of a camera', ['FUJIFILMCCD-RAW', 'IIRO', 'IIRS', 'MMOR', 'IIU\0', 'FOVb', '\0MRM']],
  ['an icon', ['\0\0\x01\0', 'icns']],
  ['a PostScript drawing', ['%!PS', '\xc5\xd0\xd3\xc6']],
  ['an OpenEXR image', ['v/1\x01']],
  ['a Radiance image', ['#?RADIANCE', '#?RGBE']],
  ['a FITS image', ['SIMPLE  =']],
  ['a DirectDraw surface', ['DDS ']],
  ['a note of macOS about a file, not the file', ['\0\x05\x16\x07']],
  ['a video', ['\x1a\x45\xdf\xa3']],
];

/** Whether a file begins as a supported format does; its name and its media type mean nothing. */
export function startsLikeImage(bytes: Uint8Array): boolean {
  const start = latin1(bytes, SNIFFED_BYTES);
  if (SIGNATURES.test(start)) return true;
  if (start.slice(4, 8) !== 'ftyp') return false;
  // The major brand, its version, and as many compatible brands as there are in the box.
  const brands = start.slice(8, Math.min(start.length, (bytes[3] ?? 0) + (bytes[2] ?? 0) * 256));
  return (brands.match(/.{4}/gs) ?? []).some((brand, index) => index !== 1 && HEIF_BRANDS.has(brand));
}

/** What a file that is no supported image may be, in words; undefined when nothing is known. */
export function guessKind(bytes: Uint8Array): string | undefined {
  const start = latin1(bytes, 1024);
  if (/<svg[\s>]/i.test(start)) return 'an SVG drawing';
  if (/^BM.{4}\0{4}/s.test(start)) return 'a BMP image';
  if (/^P[1-7]\s/.test(start)) return 'a Netpbm image (PBM, PGM, PPM)';
  if (start.slice(128, 132) === 'DICM') return 'a DICOM image';
  if (/^....ftypcrx /s.test(start)) return 'a raw photo of a camera';
  if (/^....ftyp/s.test(start) && !startsLikeImage(bytes)) return 'a video';
  const other = OTHER_STARTS.find(([, starts]) => starts.some((each) => start.startsWith(each)));
  return other?.[0] ?? sniffKind(bytes)?.words;
}

function latin1(bytes: Uint8Array, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, length)).toString('latin1');
}
