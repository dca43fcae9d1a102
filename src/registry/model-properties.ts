import { z } from 'zod';
import { type Label, labelSchema, type ManifestDocument, manifestSchema, noveltySchema } from './manifest.ts';

/** Prefix of the keys below in the `metadata_props` of an exported ONNX model. */
const PREFIX = 'menagerie.';

const { input_size, resize_mode, pad_color, crop_pct, interpolation, unknown_threshold } = manifestSchema.shape;
const preprocessingSchema = z.object({ input_size, resize_mode, pad_color, crop_pct, interpolation });
/** How the detector of unknown images does; the detector itself is in the network. */
const noveltyFiguresSchema = z.object(noveltySchema.omit({ file: true, sha256: true }).shape);

/**
 * What an exported ONNX model says about itself. Mean and std are not among it: exported models scale pixels of 0 to
 * 255 themselves.
 */
interface ModelProperties {
  readonly title?: string | undefined;
  readonly license?: string | undefined;
  readonly labels?: readonly Label[] | undefined;
  readonly preprocessing?: z.output<typeof preprocessingSchema> | undefined;
  readonly unknown_threshold?: number | undefined;
  readonly novelty?: NoveltyFigures | undefined;
}

/** How a detector of unknown images does, as cards say it. */
export type NoveltyFigures = z.output<typeof noveltyFiguresSchema>;

const json = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue('is not JSON');
    return z.NEVER;
  }
});
/** Values of other types than text are JSON. A value that does not fit is ignored. */
const readers = {
  title: z.string().min(1),
  license: z.string().min(1),
  labels: json.pipe(z.array(labelSchema).min(2)),
  preprocessing: json.pipe(preprocessingSchema),
  unknown_threshold: json.pipe(unknown_threshold),
  novelty: json.pipe(noveltyFiguresSchema),
};
const schema = z.object({
  title: readers.title.optional().catch(undefined),
  license: readers.license.optional().catch(undefined),
  labels: readers.labels.optional().catch(undefined),
  preprocessing: readers.preprocessing.optional().catch(undefined),
  unknown_threshold: readers.unknown_threshold.optional().catch(undefined),
  novelty: readers.novelty.optional().catch(undefined),
});

/** The `metadata_props` of a model, from which an import needs no options. @param labels its classes */
export function toProperties(manifest: ManifestDocument, labels: readonly Label[]): ReadonlyMap<string, string> {
  const { title, license, novelty } = manifest;
  const values = {
    title,
    license,
    labels: JSON.stringify(labels),
    preprocessing: JSON.stringify(preprocessingSchema.parse(manifest)),
    unknown_threshold: manifest.unknown_threshold === undefined ? undefined : `${manifest.unknown_threshold}`,
    novelty: novelty && JSON.stringify(noveltyFiguresSchema.parse(novelty)),
  };
  return new Map(
    Object.entries(values).flatMap(([key, value]) => (value === undefined ? [] : [[PREFIX + key, value] as const])),
  );
}

/** Reads what `toProperties` wrote. A model of another origin has none of it. */
export function fromProperties(properties: ReadonlyMap<string, string>): ModelProperties {
  const own = [...properties].filter(([key]) => key.startsWith(PREFIX));
  return schema.parse(Object.fromEntries(own.map(([key, value]) => [key.slice(PREFIX.length), value])));
}
