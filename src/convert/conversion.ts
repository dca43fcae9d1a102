import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readCheckedJson } from '../common/checked-json.ts';
import { areIntact, type FileDigest } from '../common/file-digest.ts';
import type { WrittenFile } from './formats/file-sink.ts';
import { EXPLANATION_METHODS, type ExplanationMethod } from './graph/explanation.ts';
import type { Pair } from './graph/windows.ts';

/** Name of the record in the folder of a conversion. */
export const RECORD_FILE = 'conversion.json';

/** A model in one format. */
interface ConvertedFormat {
  /** The file that a runtime opens. */
  readonly path: string;
  /** All files, beginning with the one that a runtime opens. */
  readonly files: readonly FileDigest[];
  /** Bytes of all files. */
  readonly size: number;
  /** Digest of the only file, or of the list of several files as `sha256sum` prints it. */
  readonly sha256: string;
}

/** A converted model. A foreign ONNX model has no TF.js format. */
export interface Conversion {
  readonly inputSize: Pair;
  readonly numClasses: number;
  readonly featureSize: number;
  /** Height, width and channels. */
  readonly activationShape: readonly [number, number, number];
  readonly onnx: ConvertedFormat;
  readonly tfjs?: ConvertedFormat;
  /** Largest batch that the model takes; unlimited when absent. */
  readonly maxBatch?: number;
  /** The model that explains a class, or the reason why there is none. */
  readonly explanation: (FileDigest & { readonly method: ExplanationMethod }) | { readonly refused: string };
}

const fileSchema = z.object({ path: z.string(), size: z.int(), sha256: z.string() });
const filesSchema = z.array(fileSchema).min(1);
const size = z.int().positive();

/** The record of a conversion. The files of each format begin with the one that a runtime opens. */
const recordSchema = z.object({
  input_size: z.tuple([size, size]),
  num_classes: size,
  feature_size: size,
  activation_shape: z.tuple([size, size, size]),
  onnx: filesSchema,
  tfjs: filesSchema.optional(),
  max_batch: size.optional(),
  explanation: z.union([
    z.object({ method: z.enum(EXPLANATION_METHODS), file: fileSchema }),
    z.object({ refused: z.string() }),
  ]),
});

export type ConversionRecord = z.infer<typeof recordSchema>;

/**
 * Reads the record of the conversion in a folder; `verifyConversion` reads all files.
 *
 * @returns undefined when there is none, its record is damaged, or a model file is missing or has another size
 */
export async function readConversion(outDir: string): Promise<Conversion | undefined> {
  const record = await readCheckedJson(join(outDir, RECORD_FILE), recordSchema);
  if (record === undefined) return undefined;
  const explanation = 'refused' in record.explanation ? [] : [record.explanation.file];
  for (const { path, size } of [...record.onnx, ...(record.tfjs ?? []), ...explanation]) {
    const found = await stat(join(outDir, path)).catch(() => undefined);
    if (found?.size !== size) return undefined;
  }
  return {
    inputSize: record.input_size,
    numClasses: record.num_classes,
    featureSize: record.feature_size,
    activationShape: record.activation_shape,
    onnx: formatOf(record.onnx, outDir),
    ...(record.tfjs !== undefined && { tfjs: formatOf(record.tfjs, outDir) }),
    ...(record.max_batch !== undefined && { maxBatch: record.max_batch }),
    explanation:
      'refused' in record.explanation
        ? record.explanation
        : { method: record.explanation.method, ...digestIn(outDir, record.explanation.file) },
  };
}

/** Like `readConversion`, but undefined also when a file does not have the digest in the record. */
export async function verifyConversion(outDir: string): Promise<Conversion | undefined> {
  const conversion = await readConversion(outDir);
  if (conversion === undefined) return undefined;
  const { onnx, tfjs, explanation } = conversion;
  const files = [...onnx.files, ...(tfjs?.files ?? []), ...('path' in explanation ? [explanation] : [])];
  return (await areIntact(files)) ? conversion : undefined;
}

function formatOf(files: readonly WrittenFile[], outDir: string): ConvertedFormat {
  const [first, ...others] = files;
  if (first === undefined) throw new Error('a format without files');
  const list = files.map(({ path, sha256 }) => `${sha256}  ${path}\n`).join('');
  return {
    path: join(outDir, first.path),
    files: files.map((file) => digestIn(outDir, file)),
    size: files.reduce((sum, file) => sum + file.size, 0),
    sha256: others.length === 0 ? first.sha256 : createHash('sha256').update(list).digest('hex'),
  };
}

function digestIn(folder: string, { path, sha256 }: FileDigest): FileDigest {
  return { path: join(folder, path), sha256 };
}
