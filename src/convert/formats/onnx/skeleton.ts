import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { decode } from '../../../common/protobuf.ts';
import { ConversionError } from '../../conversion-error.ts';
import type { ByteSource } from '../byte-source.ts';
import { type GraphProto, graphProto, type ModelProto, modelProto, type TensorProto, tensorProto } from './proto.ts';
import type { WritableTensor } from './writer.ts';

/** Everything but the weights is read into memory. The largest classifiers have a few megabytes of it. */
const MAX_SKELETON_BYTES = 256 * 1024 * 1024;
/** Protobuf's limit for a message. */
const MAX_FILE_BYTES = 2 ** 31 - 1;
/** Smaller values, such as shapes, axes and bounds, stay with their tensor. */
const SMALL_BYTES = 16 * 1024;
/** Bytes that are read at a time while scanning fields. */
const WINDOW_BYTES = 64 * 1024;
/** Largest size of a varint; a tag and a length are one each. */
const MAX_VARINT_BYTES = 10;

/** The field of a tensor that holds its values. */
export type ValueField = NonNullable<WritableTensor['values']>['field'];
const VALUE_FIELDS = ['rawData', 'floatData', 'int32Data', 'int64Data', 'doubleData', 'uint64Data'] as const;

/** An initializer. Its values are bytes `begin` to `end` of the file when `values` is present, else in `proto`. */
export interface SkeletonTensor {
  readonly proto: TensorProto;
  readonly values?: { readonly field: ValueField; readonly begin: number; readonly end: number };
}

/** A model without the values of its larger weights. */
export interface Skeleton {
  /** The model without its graph. */
  readonly model: ModelProto;
  /** The graph without its initializers. */
  readonly graph: GraphProto;
  readonly tensors: readonly SkeletonTensor[];
}

/**
 * Reads an ONNX file without the values of its larger initializers, so that a large model needs little memory.
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
    throw new ConversionError('the file is not a readable ONNX model', { cause });
  }
}

/** Position of a field: the tag is at `begin`, the value from `valueBegin` to `end`. */
interface FieldPosition {
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
    const fields: Uint8Array[] = [];
    let graph: FieldPosition | undefined;
    for await (const field of this.#fields(0, this.#bytes.size)) {
      if (field.number !== modelProto.fields.graph.number) fields.push(await this.#keep(field));
      else if (graph === undefined) graph = field;
      else throw new ConversionError('the file has two graphs');
    }
    if (graph === undefined) throw new ConversionError('the file has no graph: it is not an ONNX model');
    const body: Uint8Array[] = [];
    const tensors: SkeletonTensor[] = [];
    for await (const field of this.#fields(graph.valueBegin, graph.end)) {
      if (field.number === graphProto.fields.initializers.number) tensors.push(await this.#tensor(field));
      else body.push(await this.#keep(field));
    }
    return {
      model: decode(modelProto, Buffer.concat(fields)),
      graph: decode(graphProto, Buffer.concat(body)),
      tensors,
    };
  }

  async #tensor(place: FieldPosition): Promise<SkeletonTensor> {
    const small: Uint8Array[] = [];
    let values: SkeletonTensor['values'];
    for await (const field of this.#fields(place.valueBegin, place.end)) {
      const name = VALUE_FIELDS.find((each) => tensorProto.fields[each].number === field.number);
      const isLarge = field.end - field.valueBegin > SMALL_BYTES && field.wire === WireType.LengthDelimited;
      if (name === undefined || !isLarge) small.push(await this.#keep(field));
      else if (values === undefined) values = { field: name, begin: field.valueBegin, end: field.end };
      else throw new ConversionError('a tensor has its values twice');
    }
    const proto = decode(tensorProto, Buffer.concat(small));
    return values === undefined ? { proto } : { proto, values };
  }

  /** The fields of the message from `begin` to `end`. */
  async *#fields(begin: number, end: number): AsyncGenerator<FieldPosition> {
    let position = begin;
    while (position < end) {
      const field = await this.#fieldAt(position);
      if (field.end > end) throw new ConversionError(`the file is cut off or damaged at byte ${position}`);
      yield field;
      position = field.end;
    }
  }

  async #fieldAt(begin: number): Promise<FieldPosition> {
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

  /** The bytes of a whole field, including its tag. */
  async #keep({ begin, end }: FieldPosition): Promise<Uint8Array> {
    this.#kept += end - begin;
    if (this.#kept > MAX_SKELETON_BYTES) {
      throw new ConversionError(`the model has more than ${MAX_SKELETON_BYTES} bytes besides its weights`);
    }
    return (await this.#ahead(begin, end - begin)).subarray(0, end - begin);
  }

  /** At least `wanted` bytes from `begin` on, or fewer at the end of the file. */
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
