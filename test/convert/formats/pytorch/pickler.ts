/** A pickler for tests: writes JavaScript values as Python does, in protocol 2. */

/** A Python class or function. */
export class Global {
  readonly module: string;
  readonly name: string;

  constructor(module: string, name: string) {
    this.module = module;
    this.name = name;
  }
}

/** An object that Python creates by a call, and then sets the state of. */
export class Call {
  readonly callee: unknown;
  readonly args: readonly unknown[];
  readonly state: unknown;

  constructor(callee: unknown, args: readonly unknown[], state?: unknown) {
    this.callee = callee;
    this.args = args;
    this.state = state;
  }
}

/** An object outside the pickle. */
export class Persistent {
  readonly id: unknown;

  constructor(id: unknown) {
    this.id = id;
  }
}

/** Raw opcodes. */
export class Raw {
  readonly bytes: Uint8Array;

  constructor(bytes: ArrayLike<number>) {
    this.bytes = Uint8Array.from(bytes);
  }
}

/** A list. A plain array is a tuple. */
export class List {
  readonly items: readonly unknown[];

  constructor(...items: unknown[]) {
    this.items = items;
  }
}

/** One pickle: protocol, value, stop. */
export function pickle(value: unknown): Buffer {
  return Buffer.concat([Buffer.of(0x80, 2), encode(value), Buffer.from('.')]);
}

function encode(value: unknown): Buffer {
  const ascii = (text: string) => Buffer.from(text, 'latin1');
  if (value === null || value === undefined) return ascii('N');
  if (typeof value === 'boolean') return Buffer.of(value ? 0x88 : 0x89);
  if (typeof value === 'bigint') return encodeInteger(value);
  if (typeof value === 'number') return Number.isInteger(value) ? encodeInteger(BigInt(value)) : encodeFloat(value);
  if (typeof value === 'string') return encodeText(value);
  if (Array.isArray(value)) return Buffer.concat([ascii('('), ...value.map(encode), ascii('t')]);
  if (value instanceof List) return Buffer.concat([ascii(']('), ...value.items.map(encode), ascii('e')]);
  if (value instanceof Map) return Buffer.concat([ascii('}('), ...[...value].flat().map(encode), ascii('u')]);
  if (value instanceof Global) return ascii(`c${value.module}\n${value.name}\n`);
  if (value instanceof Persistent) return Buffer.concat([encode(value.id), ascii('Q')]);
  if (value instanceof Raw) return Buffer.from(value.bytes);
  if (value instanceof Call) {
    const made = Buffer.concat([encode(value.callee), encode(value.args), ascii('R')]);
    return value.state === undefined ? made : Buffer.concat([made, encode(value.state), ascii('b')]);
  }
  throw new Error(`cannot pickle ${String(value)}`);
}

function encodeInteger(value: bigint): Buffer {
  const bytes: number[] = [];
  for (let rest = value; bytes.length === 0 || (rest !== 0n && rest !== -1n); rest >>= 8n)
    bytes.push(Number(rest & 255n));
  // The last byte has the sign.
  if (value < 0n !== (bytes.at(-1) ?? 0) > 127) bytes.push(value < 0n ? 255 : 0);
  return Buffer.of(0x8a, bytes.length, ...bytes);
}

function encodeFloat(value: number): Buffer {
  const bytes = Buffer.alloc(9);
  bytes.write('G', 'latin1');
  bytes.writeDoubleBE(value, 1);
  return bytes;
}

function encodeText(text: string): Buffer {
  const utf8 = Buffer.from(text);
  const head = Buffer.alloc(5);
  head.write('X', 'latin1');
  head.writeUInt32LE(utf8.length, 1);
  return Buffer.concat([head, utf8]);
}
