import { setImmediate } from 'node:timers/promises';
import sharp, { type OutputInfo, type Sharp } from 'sharp';
import type { IccMode } from './crop.ts';
import type { ImageHeader } from './header.ts';
import { decodeHeic, type HeicPixels } from './heic-decoder.ts';
import { hasEnd } from './jpeg-coded-data.ts';
import { completedJpeg } from './jpeg-without-end.ts';
import { uncompressedTiff } from './uncompressed-tiff.ts';

/** A finding about a file that was decoded all the same. */
export interface ImageWarning {
  readonly code: 'jpeg_without_end';
  readonly detail: string;
}

const WITHOUT_END: ImageWarning = {
  code: 'jpeg_without_end',
  detail: 'The JPEG lacks its end marker. All of its rows are there, but whatever followed them is lost.',
};

/** How an image is read. */
export interface ReadOptions {
  /** What is done with its colour profile; ignored when absent. */
  readonly icc?: IccMode | undefined;
  /** Ends the decoding of HEIC. */
  readonly signal?: AbortSignal | undefined;
}

/** What came of an image, and what is to be said about its file. */
export interface ReadImage<T> {
  readonly value: T;
  readonly warnings: readonly ImageWarning[];
}

/**
 * Images of up to this many pixels are decoded into memory as a whole (24 MB); larger ones are streamed. libvips's
 * streams wait for each other: two threads take twice as long to decode photos as streams as they do in memory.
 */
const STREAM_FROM_PIXELS = 8_000_000;

/**
 * Opens an image whose header has been read, and gives it to `read`, which may be called a second time. Damage fails
 * (`failOn: 'error'`, which includes a file cut short); what decoders merely warn of does not.
 * @param read applies no operation before `autoOrient` that depends on the orientation
 * @throws HeicError, and errors of libvips and of `read`
 */
export async function readImage<T>(
  bytes: Uint8Array,
  header: ImageHeader,
  read: (image: Sharp) => Promise<T>,
  { icc = 'ignore', signal }: ReadOptions = {},
): Promise<ReadImage<T>> {
  if (header.format === 'heic') {
    const pixels = await decodeHeic({ bytes, width: header.width, height: header.height }, signal);
    return { value: await read(fromHeic(pixels, icc === 'convert' ? header.profile : undefined)), warnings: [] };
  }
  try {
    const value = await read(await opened(bytes, header, icc));
    // Where coded data ends with a whole byte, the decoder does not look for the end marker.
    return { value, warnings: header.format === 'jpeg' && !hasEnd(bytes) ? [WITHOUT_END] : [] };
  } catch (thrown) {
    const completed = header.format === 'jpeg' ? await completedJpeg(bytes, thrown) : undefined;
    if (completed === undefined) throw thrown;
    return { value: await read(await opened(completed, header, icc)), warnings: [WITHOUT_END] };
  }
}

async function opened(bytes: Uint8Array, header: ImageHeader, icc: IccMode): Promise<Sharp> {
  const sequentialRead = header.width * header.height > STREAM_FROM_PIXELS;
  const image = sharp(bytes, { failOn: 'error', ignoreIcc: icc === 'ignore', limitInputPixels: false, sequentialRead });
  if (header.plainCmyk) return await fromCmyk(image, header);
  return header.otherSample ? await withoutLastSample(image, header) : image;
}

interface Pixels extends Pick<OutputInfo, 'width' | 'height' | 'channels'> {
  readonly data: Buffer;
}

/** Pixels that libheif decoded, with a profile that sharp converts them from. */
function fromHeic({ data, ...raw }: HeicPixels, profile: Uint8Array | undefined): Sharp {
  // Pixels alone cannot have a profile: a TIFF around them does.
  return profile === undefined
    ? sharp(data, { raw })
    : sharp(uncompressedTiff({ data, ...raw }, profile), { limitInputPixels: false });
}

/** Pixels that are converted in one turn of the event loop, in a few milliseconds. */
const CMYK_PIXELS_AT_ONCE = 1 << 20;

/**
 * Ink as light, where no profile says how the inks look: what is left of the light after each ink and then after black,
 * as Pillow does it. (JPEGs hold the light that is left rather than the ink; libvips, Pillow and browsers know.)
 */
async function fromCmyk(image: Sharp, { orientation }: ImageHeader): Promise<Sharp> {
  const { data, info } = await image
    .pipelineColourspace('cmyk')
    .toColourspace('cmyk')
    .raw()
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 4) throw new Error(`CMYK was decoded to ${info.channels} channels instead of 4`);
  const count = info.width * info.height;
  for (let done = 0; done < count; done += CMYK_PIXELS_AT_ONCE) {
    const end = Math.min(count, done + CMYK_PIXELS_AT_ONCE);
    // RGB is written over CMYK that has been read.
    for (let pixel = done; pixel < end; pixel += 1) {
      const [from, to] = [pixel * 4, pixel * 3];
      const black = 255 - (data[from + 3] ?? 0);
      const cyan = 255 - (data[from] ?? 0);
      const magenta = 255 - (data[from + 1] ?? 0);
      const yellow = 255 - (data[from + 2] ?? 0);
      data[to] = Math.round((cyan * black) / 255);
      data[to + 1] = Math.round((magenta * black) / 255);
      data[to + 2] = Math.round((yellow * black) / 255);
    }
    await setImmediate();
  }
  const { width, height } = info;
  return decoded({ data: data.subarray(0, count * 3), width, height, channels: 3 }, orientation);
}

/** libvips takes whatever follows the colours for alpha. */
async function withoutLastSample(image: Sharp, { orientation }: ImageHeader): Promise<Sharp> {
  const { data, info } = await image
    .removeAlpha()
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  return decoded({ ...info, data }, orientation);
}

/** Pixels as they were stored, before they are turned upright. */
function decoded({ data, width, height, channels }: Pixels, orientation: number): Sharp {
  const image = sharp(data, { raw: { width, height, channels }, limitInputPixels: false });
  return orientation === 1 ? image : image.withMetadata({ orientation });
}
