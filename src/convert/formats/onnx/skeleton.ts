import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { ConversionError } from '../../conversion-error.ts';
import type { ByteSource } from '../byte-source.ts';
import {
  decode,
  type GraphProto,
  graphProto,
  type ModelProto,
  modelProto,
  type TensorProto,
  tensorProto,
} from './proto.ts';
import type { WritableTensor } from './writer.ts';

/** All of a file but its weights is read into memory. The largest classifiers have some megabytes of it. */
const MAX_SKELETON_BYTES = 256 * 1024 * 1024;
/** A protobuf message ends here, whatever lies behind. */
const MAX_FILE_BYTES = 2 ** 31 - 1;
/** Values of fewer bytes stay with their tensor: shapes, axes, bounds. */
const SMALL_BYTES = 16 * 1024;
/** What is read at once on the way from field to field. */
const WINDOW_BYTES = 64 * 1024;
/** A tag and a length are varints of at most this many bytes each. */
const MAX_VARINT_BYTES = 10;

/** The field of a tensor that holds its values. */
export type ValueField = NonNullable<WritableTensor['values']>['field'];
const VALUE_FIELDS = ['rawData', 'floatData', 'int32Data', 'int64Data', 'doubleData', 'uint64Data'] as const;

/** An initializer whose values may still lie in the file, from byte `begin` to `end`. */
export interface SkeletonTensor {
  readonly proto: TensorProto;
  readonly values?: { readonly field: ValueField; readonly begin: number; readonly end: number };
}

/** A model whose larger weights were passed over. */
export interface Skeleton {
  /** Without its graph. */
  readonly head: ModelProto;
  /** Without its initializers. */
  readonly graph: GraphProto;
  readonly tensors: readonly SkeletonTensor[];
}

/**
 * Reads an ONNX file but for the values of its larger initializers, so that a model of hundreds of megabytes takes none
 * of them.
 *
 * @throws ConversionError when the bytes are not a model, or too many
 */
export async function readSkeleton(bytes: ByteSource): Promise<Skeleton> {
  if (bytes.size > MAX_FILE_BYTES) {
    throw new ConversionError(`${bytes.size} bytes are too many for an ONNX file: a protobuf message ends at 2 GiB`);
  }
  try {
    return await new SkeletonReader(bytes).read();
  } catch (cause) {
    if (cause instanceof ConversionError) throw cause;
    throw new ConversionError('the file is not an ONNX model that can be read', { cause });
  }
}

/** A field where it lies: its tag from `begin`, its value from `valueBegin`. */
interface FieldPlace {
  readonly number: number;
  readonly wire: WireType;
  readonly begin: number;
  readonly valueBegin: number;
  readonly end: number;
}

class SkeletonReader {
  readonly #bytes: ByteSource;
  #window: { readonly begin: number; readonly bytes: Uint8Array } = { begin: 0, bytes: new Uint8Array() };
  #kept = 0;

  constructor(bytes: ByteSource) {
    this.#bytes = bytes;
  }

  async read(): Promise<Skeleton> {
    const head: Uint8Array[] = [];
    let graph: FieldPlace | undefined;
    for await (const field of this.#fields(0, this.#bytes.size)) {
      if (field.number !== modelProto.fields.graph.number) head.push(await this.#keep(field));
      else if (graph === undefined) graph = field;
      else throw new ConversionError('the model holds two graphs');
    }
    if (graph === undefined) throw new ConversionError('the file holds no graph: it is not an ONNX model');
    const body: Uint8Array[] = [];
    const tensors: SkeletonTensor[] = [];
    for await (const field of this.#fields(graph.valueBegin, graph.end)) {
      if (field.number === graphProto.fields.initializers.number) tensors.push(await this.#tensor(field));
      else body.push(await this.#keep(field));
    }
    return { head: decode(modelProto, Buffer.concat(head)), graph: decode(graphProto, Buffer.concat(body)), tensors };
  }

  async #tensor(place: FieldPlace): Promise<SkeletonTensor> {
    const small: Uint8Array[] = [];
    let values: SkeletonTensor['values'];
    for await (const field of this.#fields(place.valueBegin, place.end)) {
      const name = VALUE_FIELDS.find((each) => tensorProto.fields[each].number === field.number);
      const isLarge = field.end - field.valueBegin > SMALL_BYTES && field.wire === WireType.LengthDelimited;
      if (name === undefined || !isLarge) small.push(await this.#keep(field));
      else if (values === undefined) values = { field: name, begin: field.valueBegin, end: field.end };
      else throw new ConversionError('a tensor holds its values twice');
    }
    const proto = decode(tensorProto, Buffer.concat(small));
    return values === undefined ? { proto } : { proto, values };
  }

  /** The fields of a message that lies from `begin` to `end`. */
  async *#fields(begin: number, end: number): AsyncGenerator<FieldPlace> {
    let position = begin;
    while (position < end) {
      const field = await this.#fieldAt(position);
      if (field.end > end) throw new ConversionError(`the file is cut short or damaged at byte ${position}`);
      yield field;
      position = field.end;
    }
  }

  async #fieldAt(begin: number): Promise<FieldPlace> {
    const reader = new BinaryReader(await this.#ahead(begin, 2 * MAX_VARINT_BYTES));
    const [number, wire] = reader.tag();
    if (wire === WireType.LengthDelimited) {
      const length = reader.uint32();
      return { number, wire, begin, valueBegin: begin + reader.pos, end: begin + reader.pos + length };
    }
    const valueBegin = begin + reader.pos;
    reader.skip(wire, number);
    return { number, wire, begin, valueBegin, end: begin + reader.pos };
  }

  /** The bytes of a whole field, its tag too. */
  async #keep({ begin, end }: FieldPlace): Promise<Uint8Array> {
    this.#kept += end - begin;
    if (this.#kept > MAX_SKELETON_BYTES) {
      throw new ConversionError(`the model has more than ${MAX_SKELETON_BYTES} bytes beside its weights`);
    }
    return (await this.#ahead(begin, end - begin)).subarray(0, end - begin);
  }

  /** Bytes from `begin`, at least `wanted` of them unless the file ends before. */
  async #ahead(begin: number, wanted: number): Promise<Uint8Array> {
    const end = Math.min(begin + wanted, this.#bytes.size);
    const { begin: from, bytes } = this.#window;
    if (begin < from || end > from + bytes.length) {
      const windowEnd = Math.min(begin + Math.max(wanted, WINDOW_BYTES), this.#bytes.size);
      this.#window = { begin, bytes: await this.#bytes.read(begin, windowEnd) };
    }
    return this.#window.bytes.subarray(begin - this.#window.begin);
  }
}
