import sharp, { type Sharp } from 'sharp';
import { croppedPart, type Preprocessing, padded, type Resized, resizedTo } from './crop.ts';
import { type DecodeTurn, decodeNow, openImage, toPixels } from './decode.ts';
import { EXACT_UP_TO_PIXELS, exactInput } from './exact-input.ts';
import { type ImageHeader, readHeader } from './header.ts';
import type { JpegHeader } from './jpeg/jpeg-file.ts';
import { resampleInThread, resizeJpegInThread } from './pixel-jobs.ts';
import { plainHeader, plainJpeg } from './plain-jpeg.ts';
import type { ImageWarning } from './read-image.ts';
import type { RgbImage, Window } from './resample.ts';

/** A photo as a model's input, and the size that it had. */
export interface PreprocessedImage {
  /** RGB, row by row: `height * width * 3` bytes of the model's input size. */
  readonly pixels: Uint8Array;
  /** Size of the upright original. */
  readonly width: number;
  readonly height: number;
  readonly format: string;
  readonly warnings: readonly ImageWarning[];
}

/** By how much a JPEG may be shrunk while it is decoded. */
const SHRINKS = [8, 4, 2] as const;
const LIBVIPS_KERNELS = { nearest: 'nearest', bilinear: 'linear', bicubic: 'cubic', lanczos: 'lanczos3' } as const;

/**
 * Decodes an image and prepares it as torchvision's `Resize` and `CenterCrop` do: upright, resized to
 * `round(input / cropPct)` with antialiasing, then the crop in the middle. `resizeMode` says which side is resized so,
 * or both. Smaller images are enlarged.
 * @param maxPixels the largest allowed product of width and height
 * @param turn waits until the image may be decoded; its header is read before
 * @throws AppError `empty_image`, `unsupported_image`, `corrupt_image` or `image_too_large`
 */
export async function preprocessImage(
  bytes: Uint8Array,
  recipe: Preprocessing,
  maxPixels: number,
  turn: DecodeTurn = decodeNow,
): Promise<PreprocessedImage> {
  const jpeg = plainJpeg(bytes, maxPixels, recipe.icc);
  const plain = jpeg?.progressive === false ? await preprocessPlainJpeg(bytes, jpeg, recipe, turn) : undefined;
  if (plain !== undefined) return plain;
  const header = jpeg?.progressive ? plainHeader(jpeg) : await readHeader(bytes, maxPixels);
  const { width, height, format } = header;
  const { value: pixels, warnings } = await turn(width * height, (signal) =>
    openImage(bytes, header, (image) => preprocess(image, header, recipe), { icc: recipe.icc, signal }),
  );
  return { pixels, width, height, format, warnings };
}

/** Undefined when the file is damaged or of a rare kind, or has to be cut before it is resized. */
async function preprocessPlainJpeg(
  bytes: Uint8Array,
  header: JpegHeader,
  recipe: Preprocessing,
  turn: DecodeTurn,
): Promise<PreprocessedImage | undefined> {
  const { interpolation } = recipe;
  if (interpolation === 'nearest') return undefined;
  const { width, height } = header;
  const resized = resizedTo(header, recipe);
  const { seen } = resized;
  if (seen.width !== width || seen.height !== height) return undefined;
  const window = croppedPart(resized);
  const factor = Math.min(width / resized.width, height / resized.height);
  const shrinks = width * height > EXACT_UP_TO_PIXELS ? SHRINKS : [];
  const shrink = shrinks.find((each) => factor >= 2 * each) ?? 1;
  const resize = { width: resized.width, height: resized.height, window, interpolation };
  const part = await turn(width * height, (signal) => resizeJpegInThread(bytes, shrink, resize, signal));
  if (part === undefined) return undefined;
  const pixels = padded({ ...window, pixels: part }, resized, recipe.padColor);
  return { pixels, width, height, format: 'jpeg', warnings: [] };
}

async function preprocess(opened: Sharp, header: ImageHeader, recipe: Preprocessing): Promise<Uint8Array> {
  const resized = resizedTo(header, recipe);
  const { seen } = resized;
  // An image that is cut first is not shrunk while it is decoded.
  const whole = seen.width === header.width && seen.height === header.height;
  const isShrunk = resized.width <= seen.width && resized.height <= seen.height;
  const shrinkOnLoad = whole && isShrunk && header.width * header.height > EXACT_UP_TO_PIXELS;
  const image = shrinkOnLoad ? opened : cutTo(opened, seen, header);
  // sharp takes both sizes as those of the upright image. Named last, `autoOrient` turns the small image.
  return resize(image, resized, recipe, (shrunk) => (header.orientation === 1 ? shrunk : shrunk.autoOrient()));
}

/**
 * `preprocessImage` for an image that is already decoded. The pixels are the same, except for large JPEGs, which
 * `preprocessImage` shrinks while it decodes them (see `EXACT_UP_TO_PIXELS`). Images of up to a megapixel are resized on
 * the calling thread, in up to a millisecond: not for the thread that answers requests.
 */
export async function preprocessDecoded(image: RgbImage, recipe: Preprocessing): Promise<Uint8Array> {
  const exact = exactInput(image, recipe);
  if (exact !== undefined) return exact;
  const resized = resizedTo(image, recipe);
  const raw = sharp(image.pixels, { raw: { width: image.width, height: image.height, channels: 3 } });
  return resize(raw.extract(resized.seen), resized, recipe, (shrunk) => shrunk);
}

/**
 * libvips shrinks large images. What is enlarged is enlarged without it: it aligns pixel corners when it enlarges and so
 * shifts the image by up to half a source pixel.
 */
async function resize(
  image: Sharp,
  resized: Resized,
  recipe: Preprocessing,
  turn: (shrunk: Sharp) => Sharp,
): Promise<Uint8Array> {
  const { interpolation, padColor } = recipe;
  const { seen, width, height } = resized;
  const part = croppedPart(resized);
  const kernel = LIBVIPS_KERNELS[interpolation];
  const shrink = (to: { readonly width: number; readonly height: number }): Sharp =>
    image.resize(to.width, to.height, { fit: 'fill', kernel, fastShrinkOnLoad: false });
  // Whether the result must be equal to Pillow's.
  const exact = seen.width * seen.height <= EXACT_UP_TO_PIXELS;
  if (interpolation === 'nearest' || (width <= seen.width && height <= seen.height && !exact)) {
    // The part's columns of all rows, so that a file cut short is noticed wherever the cut is.
    const columns = shrink(resized).extract({ left: part.left, top: 0, width: part.width, height });
    const { pixels } = await toPixels(turn(columns));
    const rows = pixels.subarray(part.top * part.width * 3, (part.top + part.height) * part.width * 3);
    return padded({ ...part, pixels: rows }, resized, padColor);
  }
  const smallest = exact ? seen : { width: Math.min(width, seen.width), height: Math.min(height, seen.height) };
  const shrunk = smallest.width === seen.width && smallest.height === seen.height ? image : shrink(smallest);
  const resampling = { width, height, window: part, interpolation };
  const pixels = await resampleInThread(await toPixels(turn(shrunk)), resampling);
  return padded({ ...part, pixels }, resized, padColor);
}

/** Cuts the stored image, before it is turned upright; a middle part is the same in both coordinates. */
function cutTo(image: Sharp, window: Window, { turned }: ImageHeader): Sharp {
  const { left, top, width, height } = window;
  return image.extract(turned ? { left: top, top: left, width: height, height: width } : window);
}
