/**
 * Messages of Protocol Buffers as tables of field numbers. One writer and one reader serve all tables. Fields that a
 * table does not list are kept as bytes, and written again after the others.
 */
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/** How many more fields and elements may be read of a message and of those in it. */
interface Allowance {
  fields: number;
}

/** How values of a type are written and read. */
export interface ValueType<T> {
  readonly wire: WireType;
  write(writer: BinaryWriter, value: T): void;
  read(reader: BinaryReader, allowance: Allowance): T;
}

/** A field of a message. */
export interface Field<T = unknown, R extends boolean = boolean> {
  readonly number: number;
  readonly repeated: R;
  readonly type: ValueType<T>;
}
/** The fields of a message, by the names that they have here. */
export type Fields = Readonly<Record<string, Field>>;

/** Key of the fields that a table does not list: the bytes of each, including its tag. */
const UNLISTED = Symbol('unlisted fields');

/** A message that a table describes. Repeated fields are arrays; all fields may be absent. */
export type Message<F extends Fields> = {
  readonly [K in keyof F]?: F[K] extends Field<infer T, infer R> ? (R extends true ? readonly T[] : T) : never;
} & { readonly [UNLISTED]?: readonly Uint8Array[] };

/** A table of fields. It is a value type as well, since messages nest. */
export interface MessageType<F extends Fields> extends ValueType<Message<F>> {
  readonly fields: F;
}

/** The messages of a table. */
export type ValueOf<T> = T extends ValueType<infer V> ? V : never;

export const integer: ValueType<number> = {
  wire: WireType.Varint,
  write: (writer, value) => writer.int64(value),
  read: (reader) => Number(reader.int64()),
};
/** Integers that may need 64 bits: exporters of ONNX write the largest one for "to the end". */
export const wideInteger: ValueType<number | bigint> = {
  wire: WireType.Varint,
  write: (writer, value) => writer.int64(typeof value === 'bigint' ? value.toString() : value),
  read: (reader) => {
    const value = BigInt(reader.int64());
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  },
};
export const boolean: ValueType<boolean> = {
  wire: WireType.Varint,
  write: (writer, value) => writer.bool(value),
  read: (reader) => reader.bool(),
};
export const float: ValueType<number> = {
  wire: WireType.Bit32,
  write: (writer, value) => writer.float(value),
  read: (reader) => reader.float(),
};
export const double: ValueType<number> = {
  wire: WireType.Bit64,
  write: (writer, value) => writer.double(value),
  read: (reader) => reader.double(),
};
export const text: ValueType<string> = {
  wire: WireType.LengthDelimited,
  write: (writer, value) => writer.string(value),
  read: (reader) => reader.string(),
};
/** Bytes. As a repeated field, numbers that are packed into one field are an element, undecoded. */
export const bytes: ValueType<Uint8Array> = {
  wire: WireType.LengthDelimited,
  write: (writer, value) => writer.bytes(value),
  read: (reader) => reader.bytes(),
};

/** A field with one value. @param number of the field in its message */
export function one<T>(number: number, type: ValueType<T>): Field<T, false> {
  return { number, repeated: false, type };
}

/** A repeated field. */
export function many<T>(number: number, type: ValueType<T>): Field<T, true> {
  return { number, repeated: true, type };
}

/** A message of these fields. */
export function message<F extends Fields>(fields: F): MessageType<F> {
  return {
    fields,
    wire: WireType.LengthDelimited,
    write: (writer, value) => {
      writer.fork();
      writeFields(writer, fields, value);
      writer.join();
    },
    read: (reader, allowance) => readFields(reader, fields, reader.uint32(), allowance),
  };
}

/** The bytes of a message. */
export function encode<F extends Fields>(type: MessageType<F>, value: Message<F>): Uint8Array {
  const writer = new BinaryWriter();
  writeFields(writer, type.fields, value);
  return writer.finish();
}

/**
 * Reads a message. Byte fields of the result are views of `buffer`.
 * @param maxFields fields and elements in it and in the messages in it; a field may take two bytes, and fifty times as
 * many of memory when it is read
 * @throws RangeError or Error when the bytes are not a message, or there are more fields
 */
export function decode<F extends Fields>(
  type: MessageType<F>,
  buffer: Uint8Array,
  maxFields = Number.POSITIVE_INFINITY,
): Message<F> {
  return readFields(new BinaryReader(buffer), type.fields, buffer.length, { fields: maxFields });
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

function readFields<F extends Fields>(
  reader: BinaryReader,
  fields: F,
  length: number,
  allowance: Allowance,
): Message<F> {
  const byNumber = new Map(Object.entries(fields).map(([name, field]) => [field.number, { name, ...field }]));
  const value: Record<string, unknown> = {};
  const lists = new Map<string, unknown[]>();
  const unlisted: Uint8Array[] = [];
  const end = reader.pos + length;
  while (reader.pos < end) {
    spend(allowance);
    const [number, wire] = reader.tag();
    const field = byNumber.get(number);
    if (field === undefined) {
      const tag = new BinaryWriter().tag(number, wire).finish();
      unlisted.push(Buffer.concat([tag, reader.skip(wire, number)]));
      continue;
    }
    const isWhole = wire === field.type.wire;
    const items = isWhole ? [field.type.read(reader, allowance)] : readPacked(reader, field.type, wire, allowance);
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
function readPacked(reader: BinaryReader, type: ValueType<unknown>, wire: WireType, allowance: Allowance): unknown[] {
  if (wire !== WireType.LengthDelimited) throw new RangeError(`a field has wire type ${wire}, not ${type.wire}`);
  const items: unknown[] = [];
  const length = reader.uint32();
  const end = reader.pos + length;
  while (reader.pos < end) {
    spend(allowance);
    items.push(type.read(reader, allowance));
  }
  return items;
}

function spend(allowance: Allowance): void {
  allowance.fields -= 1;
  if (allowance.fields < 0) throw new RangeError('it has too many fields');
}
