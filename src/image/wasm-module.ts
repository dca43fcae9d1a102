/** Instructions of WebAssembly as bytes, nested as the text format nests them: operands before their operator. */
export type Code = number | readonly Code[];

/** The types of values, by their bytes. */
export const I32 = 0x7f;
export const I64 = 0x7e;
export const V128 = 0x7b;

/** A function that is exported by its name; it returns nothing. */
export interface WasmFunction {
  readonly name: string;
  /** Parameters, all of them i32. They are the first locals. */
  readonly parameters: number;
  /** Types of the further locals. */
  readonly locals: readonly number[];
  readonly body: readonly Code[];
}

/** A number in LEB128, as WebAssembly writes all its whole numbers; an i32 for bit operations, signed. */
function signed(value: number): Code {
  const rest = value >> 7;
  const byte = value & 0x7f;
  return (rest === 0 && byte < 64) || (rest === -1 && byte >= 64) ? byte : [byte | 0x80, signed(rest)];
}

function unsigned(value: number): Code {
  return value < 128 ? value : [(value & 0x7f) | 0x80, unsigned(value >>> 7)];
}

export const get = (local: number): Code => [0x20, unsigned(local)];
export const set = (local: number, value: Code): Code => [value, 0x21, unsigned(local)];
export const i32 = (value: number): Code => [0x41, signed(value)];
export const plus = (a: Code, b: Code): Code => [a, b, 0x6a];
export const times = (a: Code, b: Code): Code => [a, b, 0x6c];
export const load = (address: Code, offset = 0): Code => [address, 0x28, 0, unsigned(offset)];
export const store = (address: Code, value: Code, offset = 0): Code => [address, value, 0x36, 0, unsigned(offset)];
/** An instruction without immediates, by its number, after its operands. */
export const operator = (number: number, ...operands: readonly Code[]): Code => [operands, number];
/** Operators of i32; comparisons are signed. */
export const and = (a: Code, b: Code): Code => operator(0x71, a, b);
export const shiftLeft = (a: Code, b: Code): Code => operator(0x74, a, b);
export const shiftRight = (a: Code, b: Code): Code => operator(0x76, a, b);
export const signedShiftRight = (a: Code, b: Code): Code => operator(0x75, a, b);
export const minus = (a: Code, b: Code): Code => operator(0x6b, a, b);
export const isZero = (a: Code): Code => operator(0x45, a);
export const isLess = (a: Code, b: Code): Code => operator(0x48, a, b);
export const isAbove = (a: Code, b: Code): Code => operator(0x4a, a, b);
export const or = (a: Code, b: Code): Code => operator(0x72, a, b);
export const isAtLeast = (a: Code, b: Code): Code => operator(0x4e, a, b);
/** An instruction that reads or writes memory at the alignment of bytes, by its number. */
export const access = (number: number, operands: readonly Code[], offset = 0): Code => [
  operands,
  number,
  0,
  unsigned(offset),
];
export const when = (condition: Code, body: readonly Code[], otherwise: readonly Code[] = []): Code => [
  [condition, 0x04, 0x40],
  body,
  otherwise.length > 0 ? [0x05, otherwise] : [],
  0x0b,
];
/** Runs the body for ever, until it leaves by `leave`; `again` within it starts it anew. */
export const loop = (body: readonly Code[]): Code => [[0x02, 0x40, 0x03, 0x40], body, [0x0c, 0], [0x0b, 0x0b]];
/** Leaves the loop, from within so many `when`s. */
export const leave = (depth = 0): Code => [0x0c, depth + 1];
export const again = (depth = 0): Code => [0x0c, depth];
/** Ends the function. */
export const RETURN: Code = 0x0f;
/** Adds to a local. */
export const advance = (local: number, by: Code): Code => set(local, plus(get(local), by));

/** Runs the body once, and again as long as `counter`, which it lowers by `step`, is above zero. */
export const repeat = (counter: number, body: readonly Code[], step = 1): Code => [
  [0x03, 0x40],
  body,
  [plus(get(counter), i32(-step)), 0x22, unsigned(counter)],
  [i32(0), 0x4a, 0x0d, 0],
  0x0b,
];

/** An operator of the vector extension, by its number. Lanes and constants follow the number. */
export const vector = (operator: number, operands: readonly Code[], immediate: readonly number[] = []): Code => [
  ...operands,
  0xfd,
  unsigned(operator),
  immediate,
];
/** A vector operator that reads or writes memory. */
export const vectorAccess = (operator: number, operands: readonly Code[], offset = 0, lane?: number): Code => [
  vector(operator, operands),
  [0, unsigned(offset)],
  lane ?? [],
];

/** A module of these functions and one memory, exported as `memory`. Source: WebAssembly core specification 2.0, chapter 5. */
export function wasmModule(functions: readonly WasmFunction[]): Uint8Array<ArrayBuffer> {
  const list = (items: readonly Code[]): Code => [unsigned(items.length), items];
  const sized = (code: Code): Code => {
    const bytes = bytesOf(code);
    return [unsigned(bytes.length), bytes];
  };
  const section = (id: number, content: Code): Code => [id, sized(content)];
  const text = (value: string): Code => list([...new TextEncoder().encode(value)]);
  const types = functions.map(({ parameters }) => [0x60, list(Array<number>(parameters).fill(I32)), 0]);
  const exported = functions.map(({ name }, index) => [text(name), 0, unsigned(index)]);
  const bodies = functions.map(({ locals, body }) => sized([list(locals.map((type) => [1, type])), body, 0x0b]));
  return Uint8Array.from(
    bytesOf([
      [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      section(1, list(types)),
      section(3, list(functions.map((_, index) => unsigned(index)))),
      section(5, list([[0, 1]])),
      section(7, list([...exported, [text('memory'), 2, 0]])),
      section(10, list(bodies)),
    ]),
  );
}

function bytesOf(code: Code, bytes: number[] = []): number[] {
  if (typeof code === 'number') bytes.push(code);
  else for (const each of code) bytesOf(each, bytes);
  return bytes;
}
