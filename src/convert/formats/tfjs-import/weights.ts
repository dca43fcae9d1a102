import { z } from 'zod';
import { elementCount } from '../../../common/tensor.ts';
import { ConversionError } from '../../conversion-error.ts';
import type { TensorSource } from '../../graph/tensors.ts';
import type { ByteSource } from '../byte-source.ts';
import { decodeFloats } from '../element-types.ts';

/** Each layer has a few weights. */
const MAX_WEIGHTS = 50_000;
/** Bytes per element of weights that are not quantized. */
const PLAIN_BYTES = { float32: 4, int32: 4, bool: 1, uint8: 1 } as const;

const affine = { scale: z.number(), min: z.number() };
const quantizationSchema = z.discriminatedUnion('dtype', [
  z.object({ dtype: z.literal('uint8'), ...affine }),
  z.object({ dtype: z.literal('uint16'), ...affine }),
  z.object({ dtype: z.literal('float16') }),
]);
type WeightQuantization = z.output<typeof quantizationSchema>;

/** https://github.com/tensorflow/tfjs/blob/master/tfjs-core/src/io/types.ts, `WeightsManifestConfig` */
const manifestSchema = z.array(
  z.object({
    paths: z.array(z.string()).max(MAX_WEIGHTS),
    weights: z
      .array(
        z.object({
          name: z.string(),
          shape: z.array(z.int().nonnegative()).max(8),
          dtype: z.string(),
          quantization: quantizationSchema.optional(),
        }),
      )
      .max(MAX_WEIGHTS),
  }),
);

interface StoredWeight {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly quantization: WeightQuantization | undefined;
  readonly group: ByteSource;
  /** Byte offsets in the group. */
  readonly begin: number;
  readonly end: number;
}

/**
 * The weights of a TF.js model, which may be quantized. They follow each other in the concatenated shards of a group.
 */
export class TfjsWeights implements TensorSource {
  readonly #entries: ReadonlyMap<string, StoredWeight>;

  private constructor(entries: ReadonlyMap<string, StoredWeight>) {
    this.#entries = entries;
  }

  /**
   * @param manifest `weightsManifest` of the model.json
   * @param openShard opens a shard by its path in the manifest
   * @throws ConversionError when a weight is not within its shards
   */
  static async open(manifest: unknown, openShard: (path: string) => Promise<ByteSource>): Promise<TfjsWeights> {
    const parsed = manifestSchema.safeParse(manifest);
    if (!parsed.success) {
      throw new ConversionError(`weightsManifest of the model.json is not valid:\n${z.prettifyError(parsed.error)}`);
    }
    const entries = new Map<string, StoredWeight>();
    for (const { paths, weights } of parsed.data) {
      const shards: ByteSource[] = [];
      for (const path of paths) shards.push(await openShard(path));
      const group = concatenated(shards);
      let begin = 0;
      for (const { name, shape, dtype, quantization } of weights) {
        const end = begin + elementCount(shape) * storedBytes(name, dtype, quantization);
        if (end > group.size) {
          throw new ConversionError(`weight "${name}" ends at byte ${end} of its shards, which have ${group.size}`);
        }
        if (entries.has(name)) throw new ConversionError(`the manifest lists weight "${name}" twice`);
        entries.set(name, { shape, dtype, quantization, group, begin, end });
        begin = end;
      }
    }
    return new TfjsWeights(entries);
  }

  names(): Iterable<string> {
    return this.#entries.keys();
  }

  shape(name: string): readonly number[] | undefined {
    return this.#entries.get(name)?.shape;
  }

  /** @throws ConversionError when the weight holds integers */
  async read(name: string): Promise<Float32Array> {
    const entry = this.#entries.get(name);
    if (entry === undefined) throw new ConversionError(`there is no weight "${name}"`);
    if (entry.dtype !== 'float32') throw new ConversionError(`weight "${name}" has type ${entry.dtype}, not float32`);
    const bytes = await entry.group.read(entry.begin, entry.end);
    return dequantized(name, bytes, entry.quantization);
  }
}

function storedBytes(name: string, dtype: string, quantization: WeightQuantization | undefined): number {
  if (quantization !== undefined) return quantization.dtype === 'uint8' ? 1 : 2;
  if (Object.hasOwn(PLAIN_BYTES, dtype)) return PLAIN_BYTES[dtype as keyof typeof PLAIN_BYTES];
  throw new ConversionError(
    `weight "${name}" has type ${dtype}; weights must be one of ${Object.keys(PLAIN_BYTES).join(', ')}`,
  );
}

/** `q * scale + min`, computed in float64 and stored in float32, as in TF.js. */
function dequantized(name: string, bytes: Uint8Array, quantization: WeightQuantization | undefined): Float32Array {
  if (quantization === undefined) return decodeFloats(name, 'F32', bytes);
  if (quantization.dtype === 'float16') return decodeFloats(name, 'F16', bytes);
  const { dtype, scale, min } = quantization;
  // Copied for alignment.
  const quanta = dtype === 'uint8' ? bytes : new Uint16Array(new Uint8Array(bytes).buffer);
  const values = new Float32Array(quanta.length);
  for (let index = 0; index < quanta.length; index += 1) values[index] = (quanta[index] ?? 0) * scale + min;
  return values;
}

/** Concatenates files. */
function concatenated(parts: readonly ByteSource[]): ByteSource {
  const size = parts.reduce((sum, part) => sum + part.size, 0);
  return {
    size,
    read: async (begin, end) => {
      const bytes = new Uint8Array(end - begin);
      let start = 0;
      for (const part of parts) {
        const [from, to] = [Math.max(begin, start), Math.min(end, start + part.size)];
        if (from < to) bytes.set(await part.read(from - start, to - start), from - begin);
        start += part.size;
      }
      return bytes;
    },
    close: async () => {
      for (const part of parts) await part.close();
    },
  };
}
