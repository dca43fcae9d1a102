import sharp, { type Sharp } from 'sharp';
import { MAX_ASPECT, middle, type Preprocessing, type Resized, resizedTo } from './crop.ts';
import { type DecodeTurn, decodeNow, type ImageHeader, openImage, readHeader, toPixels } from './decode.ts';
import { type Kernel, type RgbImage, resample, type Window } from './resample.ts';

/** A photo as a model's input, and the size that it had. */
export interface PreprocessedImage {
  /** RGB, row by row: `height * width * 3` bytes of the model's input size. */
  readonly pixels: Uint8Array;
  /** Size of the upright original. */
  readonly width: number;
  readonly height: number;
  readonly format: string;
}

const LIBVIPS_KERNELS = { nearest: 'nearest', bilinear: 'linear', bicubic: 'cubic', lanczos: 'lanczos3' } as const;

/**
 * A JPEG of at least this size that is shrunk by four or more is decoded at a half, a quarter or an eighth of its
 * size, and the kernel does the remaining factor of two or more. That takes a photo of 6 megapixels two thirds of the
 * time and differs from Pillow's result by 0.75 grey levels on average instead of 0.6. Small photos would gain a
 * millisecond at a larger loss.
 */
const SHRINK_ON_LOAD_FROM_PIXELS = 2_000_000;

/**
 * Decodes an image and prepares it as torchvision's `Resize` and `CenterCrop` do: upright, the shorter side resized to
 * `round(input / cropPct)` with antialiasing, then the crop in the middle. Smaller images are enlarged.
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
  const header = await readHeader(bytes, maxPixels);
  const { width, height, format } = header;
  const pixels = await turn(width * height, () => preprocess(bytes, header, recipe));
  return { pixels, width, height, format };
}

async function preprocess(bytes: Uint8Array, header: ImageHeader, recipe: Preprocessing): Promise<Uint8Array> {
  const seen = middle(header, MAX_ASPECT);
  const resized = resizedTo(seen, recipe);
  if (resized.scale <= 1 || recipe.interpolation === 'nearest') return reduce(bytes, header, seen, resized, recipe);
  const source = await toPixels(cutTo(openImage(bytes, header), seen, header).autoOrient());
  return enlarge(source, resized, recipe.interpolation);
}

/**
 * `preprocessImage` for an image that is already decoded. The pixels are the same, except for large JPEGs, which
 * `preprocessImage` shrinks while it decodes them (see `SHRINK_ON_LOAD_FROM_PIXELS`).
 */
export async function preprocessDecoded(image: RgbImage, recipe: Preprocessing): Promise<Uint8Array> {
  const seen = middle(image, MAX_ASPECT);
  const resized = resizedTo(seen, recipe);
  const raw = sharp(image.pixels, { raw: { width: image.width, height: image.height, channels: 3 } }).extract(seen);
  if (resized.scale > 1 && recipe.interpolation !== 'nearest') {
    return enlarge(await toPixels(raw), resized, recipe.interpolation);
  }
  return cropRows(await toPixels(shrink(raw, resized, recipe.interpolation)), resized);
}

/** The part of an upright image of this size that the model sees, in pixels of the image; not rounded. */
export function modelCrop(size: { readonly width: number; readonly height: number }, recipe: Preprocessing): Window {
  const seen = middle(size, MAX_ASPECT);
  const { width, height, crop } = resizedTo(seen, recipe);
  const [across, down] = [seen.width / width, seen.height / height];
  return {
    left: seen.left + crop.left * across,
    top: seen.top + crop.top * down,
    width: crop.width * across,
    height: crop.height * down,
  };
}

/** Cuts the stored image, before it is turned upright; a middle part is the same in both coordinates. */
function cutTo(image: Sharp, window: Window, { turned }: ImageHeader): Sharp {
  const { left, top, width, height } = window;
  return image.extract(turned ? { left: top, top: left, width: height, height: width } : window);
}

/**
 * Enlarges without libvips, which aligns pixel corners when it enlarges and so shifts the image by up to half a source
 * pixel. The sources are small, so the event loop can do it.
 */
function enlarge(image: RgbImage, { width, height, crop }: Resized, kernel: Kernel): Uint8Array {
  return resample(image, width, height, crop, kernel);
}

async function reduce(
  bytes: Uint8Array,
  header: ImageHeader,
  seen: Window,
  resized: Resized,
  { interpolation }: Preprocessing,
): Promise<Uint8Array> {
  const opened = openImage(bytes, header);
  // An image that is cut first is not shrunk while it is decoded.
  const whole = seen.width === header.width && seen.height === header.height;
  const shrinkOnLoad = whole && header.width * header.height >= SHRINK_ON_LOAD_FROM_PIXELS;
  const image = shrinkOnLoad ? opened : cutTo(opened, seen, header);
  const shrunk = shrink(image, resized, interpolation);
  // sharp takes both sizes as those of the upright image. Named last, `autoOrient` turns the small image.
  return cropRows(await toPixels(header.upright ? shrunk : shrunk.autoOrient()), resized);
}

/** Resizes and takes the crop's columns of all rows, so that a file cut short is noticed wherever the cut is. */
function shrink(image: Sharp, { width, height, crop }: Resized, kernel: Preprocessing['interpolation']): Sharp {
  return image
    .resize(width, height, { fit: 'fill', kernel: LIBVIPS_KERNELS[kernel], fastShrinkOnLoad: false })
    .extract({ left: crop.left, top: 0, width: crop.width, height });
}

/** The crop's rows, a view. */
function cropRows({ pixels }: { readonly pixels: Uint8Array }, { crop }: Resized): Uint8Array {
  return pixels.subarray(crop.top * crop.width * 3, (crop.top + crop.height) * crop.width * 3);
}
