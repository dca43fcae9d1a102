import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Pair } from '../../convert/graph/windows.ts';
import { manifestSchema } from '../../registry/manifest.ts';
import { type FoundFacts, listedFacts } from './found-facts.ts';
import { imageProperties } from './image-properties.ts';
import type { PreprocessingFields } from './preprocessing-defaults.ts';

/** What the files beside a model say about it. */
interface SidecarFacts {
  readonly facts: FoundFacts;
  /** Which file says what, as sentences. */
  readonly notes: readonly string[];
}

/** Reads one kind of file. `name` may be shared with other files: then the schema does not fit. */
interface SidecarReader {
  readonly name: string;
  read(document: unknown): FoundFacts | undefined;
}

const { architecture, input_size, mean, std, resize_mode, pad_color, crop_pct, interpolation, unknown_threshold } =
  manifestSchema.shape;

function reader<S extends z.ZodType>(
  name: string,
  schema: S,
  facts: (found: z.output<S>) => FoundFacts,
): SidecarReader {
  return {
    name,
    read: (document) => {
      const parsed = schema.safeParse(document);
      return parsed.success ? facts(parsed.data) : undefined;
    },
  };
}

/** Beside the weights in a safetensors export of this project. */
const architectureFile = reader(
  'architecture.json',
  z.object({ architecture, input_size, mean, std }),
  (found) => found,
);

/** Beside the model in every export of this project; older ones, without `resize_mode`, crop. */
const cardFile = reader(
  'card.json',
  z.object({
    preprocessing: z.object({ resize_mode, pad_color, crop_pct, interpolation }),
    title: z.string().min(1).optional(),
    license: z.string().min(1).optional(),
    unknown_threshold,
  }),
  ({ preprocessing, ...others }) => ({ ...preprocessing, ...others }),
);

/** Pillow's numbers of resampling filters. */
const PILLOW_FILTERS: Readonly<Record<number, PreprocessingFields['interpolation']>> = {
  0: 'nearest',
  1: 'lanczos',
  2: 'bilinear',
  3: 'bicubic',
};
const sides = z.union([
  z.int().positive(),
  z.object({ height: z.int().positive(), width: z.int().positive() }),
  z.object({ shortest_edge: z.int().positive() }),
]);

/** Hugging Face's image processors. https://huggingface.co/docs/transformers/main_classes/image_processor */
const preprocessorFile = reader(
  'preprocessor_config.json',
  z.object({
    image_mean: mean.optional(),
    image_std: std.optional(),
    do_normalize: z.boolean().default(true),
    do_rescale: z.boolean().default(true),
    rescale_factor: z
      .number()
      .positive()
      .default(1 / 255),
    do_center_crop: z.boolean().default(false),
    size: sides.optional(),
    crop_size: sides.optional(),
    crop_pct: crop_pct.optional(),
    resample: z.int().optional(),
  }),
  (found) => {
    // Its mean and std apply to rescaled pixels, ours to pixels of 0 to 1.
    const unit = 255 * (found.do_rescale ? found.rescale_factor : 1);
    const [means, stds] = found.do_normalize ? [found.image_mean, found.image_std] : [undefined, undefined];
    const isScaled = means !== undefined && stds !== undefined;
    const resized = pairOf(found.size);
    const cropped = found.do_center_crop ? pairOf(found.crop_size) : undefined;
    const share = cropped !== undefined && resized !== undefined ? Math.min(1, cropped[0] / resized[0]) : 1;
    const filter = PILLOW_FILTERS[found.resample ?? -1];
    const size = cropped ?? resized;
    return {
      mean: scaled(isScaled ? means : [0, 0, 0], unit),
      std: scaled(isScaled ? stds : [1, 1, 1], unit),
      // Without a crop, a size of two sides squashes the image. One side is that of a ConvNeXt, which crops.
      resize_mode: cropped === undefined && isBox(found.size) ? 'stretch' : 'crop',
      crop_pct: found.crop_pct ?? share,
      ...(filter !== undefined && { interpolation: filter }),
      ...(size !== undefined && { suggestedSize: size }),
    };
  },
);

const timmSchema = z.object({
  input_size,
  mean,
  std,
  crop_pct,
  interpolation: interpolation.optional().catch(undefined),
  crop_mode: z.enum(['center', 'squash', 'border']).default('center').catch('center'),
});
const TIMM_MODES = { center: 'crop', squash: 'stretch', border: 'pad' } as const;

/**
 * timm's models on the hub of Hugging Face, whose older files have the fields at the top. What timm pads has the colour
 * of the mean.
 */
const timmFile = reader(
  'config.json',
  z.union([z.object({ pretrained_cfg: timmSchema }).transform((found) => found.pretrained_cfg), timmSchema]),
  ({ input_size: [, height, width], interpolation: filter, crop_mode: mode, ...found }) => ({
    ...found,
    resize_mode: TIMM_MODES[mode],
    ...(mode === 'border' && { pad_color: bytesOf(found.mean) }),
    suggestedSize: [height, width],
    ...(filter !== undefined && { interpolation: filter }),
  }),
);

/** Teachable Machine crops the middle square of an image, and scales its pixels to -1..1. */
const teachableMachineFile = reader(
  'metadata.json',
  z.object({ tmVersion: z.string(), imageSize: z.int().positive().default(224) }),
  ({ imageSize }) => ({
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
    resize_mode: 'crop',
    crop_pct: 1,
    suggestedSize: [imageSize, imageSize],
  }),
);

/** The name of the network, in the files of Hugging Face (`architectures`) and of timm (`architecture`). */
const namesFile = reader(
  'config.json',
  z
    .object({
      _name_or_path: z.string().optional().catch(undefined),
      architectures: z.array(z.string()).optional().catch(undefined),
      architecture: z.string().optional().catch(undefined),
    })
    .transform(({ _name_or_path: path, architectures = [], architecture: timm }) => {
      // A path of the maker's machine says less than the class of the network.
      const known = path !== undefined && /^[\w.-]+(\/[\w.-]+)?$/.test(path) ? path : undefined;
      return known ?? architectures[0] ?? timm;
    })
    .pipe(z.string().min(1)),
  (title) => ({ title }),
);

/** Custom Vision's exports. */
const customVisionFile = reader(
  'metadata_properties.json',
  z
    .record(z.string(), z.unknown())
    .transform((found) => imageProperties(Object.entries(found)))
    .pipe(z.custom<FoundFacts>((found) => found !== undefined)),
  (found) => found,
);

const READERS = [
  architectureFile,
  cardFile,
  namesFile,
  preprocessorFile,
  timmFile,
  teachableMachineFile,
  customVisionFile,
];

/**
 * Reads the files beside a model that say how its pixels are made. What a later file says goes before an earlier one.
 */
export async function readSidecars(folder: string): Promise<SidecarFacts> {
  let facts: FoundFacts = {};
  const notes: string[] = [];
  for (const { name, read } of READERS) {
    const found = read(await jsonOf(join(folder, name)));
    if (found === undefined) continue;
    facts = { ...facts, ...found };
    notes.push(`${name} gives ${listedFacts(found)}.`);
  }
  return { facts, notes };
}

/** Undefined when the file cannot be read as JSON. */
async function jsonOf(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    return undefined;
  }
}

function pairOf(size: z.output<typeof sides> | undefined): Pair | undefined {
  if (size === undefined) return undefined;
  if (typeof size === 'number') return [size, size];
  return 'height' in size ? [size.height, size.width] : [size.shortest_edge, size.shortest_edge];
}

/** Parts of 255 as whole numbers. */
function bytesOf([r, g, b]: readonly [number, number, number]): [number, number, number] {
  return [Math.round(255 * r), Math.round(255 * g), Math.round(255 * b)];
}

function isBox(size: z.output<typeof sides> | undefined): boolean {
  return typeof size === 'object' && 'height' in size;
}

function scaled([r, g, b]: readonly [number, number, number], unit: number): [number, number, number] {
  // 255 times the factor that is stored for 1/255 is not exactly 1.
  const divisor = Math.abs(unit - 1) < 1e-6 ? 1 : unit;
  return [r / divisor, g / divisor, b / divisor];
}
