import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/**
 * The ONNX messages that are read or written here, as tables of field numbers:
 * https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. One writer and one reader serve all tables. Fields that are
 * not listed are kept as bytes, and written again after the others.
 */
interface ValueType<T> {
  readonly wire: WireType;
  write(writer: BinaryWriter, value: T): void;
  read(reader: BinaryReader): T;
}

interface Field<T = unknown, R extends boolean = boolean> {
  readonly number: number;
  readonly repeated: R;
  readonly type: ValueType<T>;
}
type Fields = Readonly<Record<string, Field>>;

/** Key of the fields that a table does not list: the bytes of each, including its tag. */
const UNLISTED = Symbol('unlisted fields');

/** A message that a table describes. Repeated fields are arrays; all fields may be absent. */
type Message<F extends Fields> = {
  readonly [K in keyof F]?: F[K] extends Field<infer T, infer R> ? (R extends true ? readonly T[] : T) : never;
} & { readonly [UNLISTED]?: readonly Uint8Array[] };

/** A table of fields. It is a value type as well, since messages nest. */
interface MessageType<F extends Fields> extends ValueType<Message<F>> {
  readonly fields: F;
}
type ValueOf<T> = T extends ValueType<infer V> ? V : never;

const integer: ValueType<number> = {
  wire: WireType.Varint,
  write: (writer, value) => writer.int64(value),
  read: (reader) => Number(reader.int64()),
};
/** Integers that may need 64 bits: exporters write the largest one for "to the end". */
const wideInteger: ValueType<number | bigint> = {
  wire: WireType.Varint,
  write: (writer, value) => writer.int64(typeof value === 'bigint' ? value.toString() : value),
  read: (reader) => {
    const value = BigInt(reader.int64());
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  },
};
const float: ValueType<number> = {
  wire: WireType.Bit32,
  write: (writer, value) => writer.float(value),
  read: (reader) => reader.float(),
};
const double: ValueType<number> = {
  wire: WireType.Bit64,
  write: (writer, value) => writer.double(value),
  read: (reader) => reader.double(),
};
const text: ValueType<string> = {
  wire: WireType.LengthDelimited,
  write: (writer, value) => writer.string(value),
  read: (reader) => reader.string(),
};
const bytes: ValueType<Uint8Array> = {
  wire: WireType.LengthDelimited,
  write: (writer, value) => writer.bytes(value),
  read: (reader) => reader.bytes(),
};

function one<T>(number: number, type: ValueType<T>): Field<T, false> {
  return { number, repeated: false, type };
}

function many<T>(number: number, type: ValueType<T>): Field<T, true> {
  return { number, repeated: true, type };
}

function message<F extends Fields>(fields: F): MessageType<F> {
  return {
    fields,
    wire: WireType.LengthDelimited,
    write: (writer, value) => {
      writer.fork();
      writeFields(writer, fields, value);
      writer.join();
    },
    read: (reader) => readFields(reader, fields, reader.uint32()),
  };
}

const stringStringEntry = message({ key: one(1, text), value: one(2, text) });
const dimension = message({ value: one(1, integer), parameter: one(2, text) });
const tensorShape = message({ dims: many(1, dimension) });
const tensorType = message({ elementType: one(1, integer), shape: one(2, tensorShape) });
const valueType = message({ tensor: one(1, tensorType) });
const valueInfo = message({ name: one(1, text), type: one(2, valueType) });
const operatorSet = message({ domain: one(1, text), version: one(2, integer) });

export const tensorProto = message({
  dims: many(1, integer),
  dataType: one(2, integer),
  floatData: many(4, float),
  int32Data: many(5, integer),
  int64Data: many(7, wideInteger),
  name: one(8, text),
  rawData: one(9, bytes),
  doubleData: many(10, double),
  uint64Data: many(11, wideInteger),
  externalData: many(13, stringStringEntry),
  dataLocation: one(14, integer),
});

const attribute = message({
  name: one(1, text),
  float: one(2, float),
  integer: one(3, wideInteger),
  string: one(4, bytes),
  tensor: one(5, tensorProto),
  /** An encoded `GraphProto`: a table cannot contain itself. */
  graph: one(6, bytes),
  floats: many(7, float),
  integers: many(8, wideInteger),
  strings: many(9, bytes),
  tensors: many(10, tensorProto),
  graphs: many(11, bytes),
  type: one(20, integer),
});

const node = message({
  inputs: many(1, text),
  outputs: many(2, text),
  name: one(3, text),
  operator: one(4, text),
  attributes: many(5, attribute),
  domain: one(7, text),
});

export const graphProto = message({
  nodes: many(1, node),
  name: one(2, text),
  initializers: many(5, tensorProto),
  inputs: many(11, valueInfo),
  outputs: many(12, valueInfo),
  /** Shapes of values inside the graph. Runtimes infer them. */
  valueInfos: many(13, bytes),
  quantization: many(14, bytes),
  sparseInitializers: many(15, bytes),
});

/** An operator that the model defines by other operators. */
const functionProto = message({ name: one(1, text), nodes: many(7, node), domain: one(10, text) });

export const modelProto = message({
  irVersion: one(1, integer),
  producer: one(2, text),
  producerVersion: one(3, text),
  graph: one(7, graphProto),
  operatorSets: many(8, operatorSet),
  metadata: many(14, stringStringEntry),
  training: many(20, bytes),
  functions: many(25, functionProto),
});

export type TensorProto = ValueOf<typeof tensorProto>;
export type AttributeProto = ValueOf<typeof attribute>;
export type NodeProto = ValueOf<typeof node>;
export type ValueInfoProto = ValueOf<typeof valueInfo>;
export type GraphProto = ValueOf<typeof graphProto>;
export type ModelProto = ValueOf<typeof modelProto>;

/** `TensorProto.DataType` */
export const DATA_TYPE = {
  float: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  float16: 10,
  double: 11,
  bfloat16: 16,
} as const;
/** `AttributeProto.AttributeType` */
export const ATTRIBUTE_TYPE = { float: 1, integer: 2, integers: 7 } as const;
/** `TensorProto.DataLocation` */
export const DATA_LOCATION = { external: 1 } as const;

export function encode<F extends Fields>(type: MessageType<F>, value: Message<F>): Uint8Array {
  const writer = new BinaryWriter();
  writeFields(writer, type.fields, value);
  return writer.finish();
}

/**
 * Fields of a model to write after its file: in protobuf, messages are joined by writing one after the other. The
 * metadata is added to what the file has, the version replaces that of the file.
 */
export function modelTail(producerVersion: string, properties: ReadonlyMap<string, string>): Uint8Array {
  const metadata = [...properties].map(([key, value]) => ({ key, value }));
  return encode(modelProto, { producerVersion, metadata });
}

/** Byte fields of the result are views of `buffer`. @throws RangeError or Error when the bytes are not a message */
export function decode<F extends Fields>(type: MessageType<F>, buffer: Uint8Array): Message<F> {
  return readFields(new BinaryReader(buffer), type.fields, buffer.length);
}

/** The tag and length that precede a field value of `length` bytes, so that the value can be written separately. */
export function fieldHead(field: Field, length: number): Uint8Array {
  return new BinaryWriter().tag(field.number, WireType.LengthDelimited).uint32(length).finish();
}

function writeFields<F extends Fields>(writer: BinaryWriter, fields: F, value: Message<F>): void {
  for (const [name, { number, repeated, type }] of Object.entries(fields)) {
    const given: unknown = value[name];
    if (given === undefined) continue;
    const items: readonly unknown[] = repeated && Array.isArray(given) ? given : [given];
    for (const item of items) {
      writer.tag(number, type.wire);
      type.write(writer, item);
    }
  }
  for (const field of value[UNLISTED] ?? []) writer.raw(field);
}

function readFields<F extends Fields>(reader: BinaryReader, fields: F, length: number): Message<F> {
  const byNumber = new Map(Object.entries(fields).map(([name, field]) => [field.number, { name, ...field }]));
  const value: Record<string, unknown> = {};
  const lists = new Map<string, unknown[]>();
  const unlisted: Uint8Array[] = [];
  const end = reader.pos + length;
  while (reader.pos < end) {
    const [number, wire] = reader.tag();
    const field = byNumber.get(number);
    if (field === undefined) {
      const tag = new BinaryWriter().tag(number, wire).finish();
      unlisted.push(Buffer.concat([tag, reader.skip(wire, number)]));
      continue;
    }
    const items = wire === field.type.wire ? [field.type.read(reader)] : readPacked(reader, field.type, wire);
    if (!field.repeated) value[field.name] = items.at(-1);
    else {
      const list = lists.get(field.name) ?? [];
      for (const item of items) list.push(item);
      lists.set(field.name, list);
      value[field.name] = list;
    }
  }
  if (reader.pos !== end) throw new RangeError('a field extends beyond the end of its message');
  return (unlisted.length === 0 ? value : { ...value, [UNLISTED]: unlisted }) as Message<F>;
}

/** Reads repeated numbers that are packed into one field. */
function readPacked(reader: BinaryReader, type: ValueType<unknown>, wire: WireType): unknown[] {
  if (wire !== WireType.LengthDelimited) throw new RangeError(`a field has wire type ${wire}, not ${type.wire}`);
  const items: unknown[] = [];
  const length = reader.uint32();
  const end = reader.pos + length;
  while (reader.pos < end) items.push(type.read(reader));
  return items;
}
