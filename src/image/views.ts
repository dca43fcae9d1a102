import type { Preprocessing } from './crop.ts';

/** Ways to look at a photo more than once. */
export const TTA_MODES = ['flip', 'five_crop'] as const;

/**
 * Test-time augmentation: a photo is computed in several views, and the probabilities are averaged. `flip` adds the
 * mirror image, `five_crop` the four corners of the photo at a larger scale (Krizhevsky, Sutskever & Hinton 2012). The
 * first view is the one that is computed without it.
 */
export type TtaMode = (typeof TTA_MODES)[number];

/** Runs of the model for one image. */
export const VIEWS: Readonly<Record<TtaMode, number>> = { flip: 2, five_crop: 5 };

/** Sides of the square whose corners are taken, in sides of the input: 256 and 224 pixels in the paper. */
const ENLARGED = 8 / 7;

/**
 * The recipe of the larger view from whose corners `cornerViews` are cut: the middle of the photo, at the scale of the
 * model's input, or at a larger one if the model sees nearly the whole photo.
 */
export function enlarged(recipe: Preprocessing): Preprocessing {
  const { inputSize, cropPct } = recipe;
  const [height, width] = inputSize;
  const size = [Math.round(height * ENLARGED), Math.round(width * ENLARGED)] as const;
  return { ...recipe, inputSize: size, cropPct: Math.min(1, cropPct * ENLARGED) };
}

/** The four corners of a larger view. @param larger pixels by the recipe that `enlarged` makes of the model's */
export function cornerViews(larger: Uint8Array, recipe: Preprocessing): Uint8Array[] {
  const [height, width] = recipe.inputSize;
  const [rows, columns] = enlarged(recipe).inputSize;
  return [0, rows - height].flatMap((top) =>
    [0, columns - width].map((left) => {
      const view = new Uint8Array(height * width * 3);
      for (let row = 0; row < height; row++) {
        const from = ((top + row) * columns + left) * 3;
        view.set(larger.subarray(from, from + width * 3), row * width * 3);
      }
      return view;
    }),
  );
}

/** A view mirrored left to right. @param width of the view, in pixels */
export function mirrorView(pixels: Uint8Array, width: number): Uint8Array {
  const mirrored = new Uint8Array(pixels.length);
  for (let pixel = 0; pixel < pixels.length / 3; pixel++) {
    const column = pixel % width;
    const from = (pixel - column + (width - 1 - column)) * 3;
    mirrored[pixel * 3] = pixels[from] ?? 0;
    mirrored[pixel * 3 + 1] = pixels[from + 1] ?? 0;
    mirrored[pixel * 3 + 2] = pixels[from + 2] ?? 0;
  }
  return mirrored;
}
