import sharp, { type Sharp } from 'sharp';
import { type CropRecipe, MAX_ASPECT, middle, type Resized, resizedTo } from './crop.ts';
import { type DecodedImage, type ImageHeader, openImage, readHeader, toPixels } from './decode.ts';
import { type Kernel, type RgbImage, resample, type Window } from './resample.ts';

/** How a photo becomes a model's pixels: timm's words for it. */
export interface Preprocessing extends CropRecipe {
  readonly interpolation: Kernel | 'nearest';
}

/** A photo as a model takes it, and what it was before. */
export interface PreprocessedImage {
  /** RGB, row by row: `height * width * 3` bytes of the model's input size. */
  readonly pixels: Uint8Array;
  /** Of the upright original. */
  readonly width: number;
  readonly height: number;
  readonly format: string;
}

const LIBVIPS_KERNELS = { nearest: 'nearest', bilinear: 'linear', bicubic: 'cubic', lanczos: 'lanczos3' } as const;

/**
 * From this size on, a JPEG that is shrunk by four or more is decoded at a half, a quarter or an eighth of its size,
 * with a factor of two or more left to the kernel. A photo of 6 megapixels is so ready in two thirds of the time and
 * differs from Pillow's by 0.75 grey levels on average instead of 0.6; small ones would gain a millisecond and lose more.
 */
const SHRINK_ON_LOAD_FROM_PIXELS = 2_000_000;

/**
 * Decodes an image and prepares it as the field does (torchvision's `Resize` and `CenterCrop`): upright, the shorter side resized to
 * `round(input / cropPct)` with antialiasing, the middle taken. What is smaller than that is enlarged.
 * @param maxPixels the most that width times height of the image may be
 * @throws AppError `empty_image`, `unsupported_image`, `corrupt_image` or `image_too_large`
 */
export async function preprocessImage(
  bytes: Uint8Array,
  recipe: Preprocessing,
  maxPixels: number,
): Promise<PreprocessedImage> {
  const header = await readHeader(bytes, maxPixels);
  const seen = middle(header, MAX_ASPECT);
  const resized = resizedTo(seen, recipe);
  const pixels =
    resized.scale > 1 && recipe.interpolation !== 'nearest'
      ? enlarge(
          await toPixels(cutTo(openImage(bytes, header), seen, header).autoOrient()),
          resized,
          recipe.interpolation,
        )
      : await reduce(bytes, header, seen, resized, recipe);
  return { pixels, width: header.width, height: header.height, format: header.format };
}

/**
 * As `preprocessImage`, of an image that has been decoded already: the same pixels, but where a large JPEG would have
 * been shrunk while it was decoded (see `SHRINK_ON_LOAD_FROM_PIXELS`).
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

/** The part of an upright image of this size that the model sees, in its pixels, which need not be whole ones. */
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

/** Cuts before anything else, so in the coordinates of the stored image; a middle is the same in both. */
function cutTo(image: Sharp, window: Window, { turned }: ImageHeader): Sharp {
  const { left, top, width, height } = window;
  return image.extract(turned ? { left: top, top: left, width: height, height: width } : window);
}

/**
 * libvips aligns pixel corners where it enlarges and so shifts the image by up to half a pixel of the source; the
 * sources are small, so they are enlarged here.
 */
function enlarge(image: Omit<DecodedImage, 'format'>, { width, height, crop }: Resized, kernel: Kernel): Uint8Array {
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
  // Cutting first keeps the decoder from shrinking.
  const whole = seen.width === header.width && seen.height === header.height;
  const shrinkOnLoad = whole && header.width * header.height >= SHRINK_ON_LOAD_FROM_PIXELS;
  const image = shrinkOnLoad ? opened : cutTo(opened, seen, header);
  const shrunk = shrink(image, resized, interpolation);
  // sharp takes both sizes for those of the upright image; named last, the turn is made on the small one.
  return cropRows(await toPixels(header.upright ? shrunk : shrunk.autoOrient()), resized);
}

/** Resizes and takes the crop's columns, in all rows, so that a file cut short is noticed wherever the cut is. */
function shrink(image: Sharp, { width, height, crop }: Resized, kernel: Preprocessing['interpolation']): Sharp {
  return image
    .resize(width, height, { fit: 'fill', kernel: LIBVIPS_KERNELS[kernel], fastShrinkOnLoad: false })
    .extract({ left: crop.left, top: 0, width: crop.width, height });
}

/** The crop's rows, which lie together. */
function cropRows({ pixels }: { readonly pixels: Uint8Array }, { crop }: Resized): Uint8Array {
  return pixels.subarray(crop.top * crop.width * 3, (crop.top + crop.height) * crop.width * 3);
}
