import { ConversionError } from '../../conversion-error.ts';
import { exact, PickleInput } from './pickle-input.ts';

/** Each step may create an object. A network with its optimizer needs a few hundred thousand steps. */
const MAX_STEPS = 2_000_000;
/** A pickler memoizes each object that it writes. */
const MAX_MEMO = 1_000_000;
/** Nesting of containers; recursive functions walk the result. */
const MAX_DEPTH = 100;

/** Everything that a pickle may use besides plain values. Each method throws a `ConversionError` for unknown values. */
export interface PickleHost {
  /** Resolves a class or function. */
  global(module: string, name: string): unknown;
  call(callee: unknown, args: readonly unknown[]): unknown;
  /** Sets the state of an object. */
  build(object: unknown, state: unknown): void;
  /** Resolves an object that is stored outside the pickle. */
  persistent(id: unknown): unknown;
}

/**
 * Reads one pickle of numbers, texts, tuples and lists (arrays), dicts (`Map`), sets, and objects that the host creates.
 * A pickle is a program for a stack machine. Python's machine runs any function that the pickle names; this one only runs
 * functions of the host. Opcodes: https://github.com/python/cpython/blob/main/Lib/pickletools.py
 *
 * @returns the value, and the offset after the pickle
 * @throws ConversionError when it has anything else; PickleEndsEarly when `bytes` end inside the pickle
 */
export function unpickle(bytes: Uint8Array, begin: number, host: PickleHost): { value: unknown; end: number } {
  const machine = new Machine(new PickleInput(bytes, begin), host);
  return { value: machine.run(), end: machine.input.position };
}

class Machine {
  readonly input: PickleInput;
  readonly host: PickleHost;
  readonly #memo = new Map<number, unknown>();
  /** The stacks below the current one: each MARK opens a new stack. */
  readonly #marked: unknown[][] = [];
  #stack: unknown[] = [];
  #steps = 0;

  constructor(input: PickleInput, host: PickleHost) {
    this.input = input;
    this.host = host;
  }

  run(): unknown {
    for (;;) {
      const code = this.input.uint8();
      if (code === STOP) return this.pop();
      const operation = OPERATIONS[code];
      if (operation === undefined) throw new ConversionError(`the pickle has opcode ${code}, which is not supported`);
      operation(this);
      this.charge(1);
    }
  }

  charge(steps: number): void {
    this.#steps += steps;
    if (this.#steps > MAX_STEPS) throw new ConversionError(`the pickle needs more than ${MAX_STEPS} steps`);
  }

  push(value: unknown): void {
    this.#stack.push(value);
  }

  pop(): unknown {
    if (this.#stack.length === 0) throw new ConversionError('the pickle pops a value from an empty stack');
    return this.#stack.pop();
  }

  top(): unknown {
    const value = this.pop();
    this.push(value);
    return value;
  }

  mark(): void {
    if (this.#marked.length === MAX_DEPTH)
      throw new ConversionError(`the pickle is nested more than ${MAX_DEPTH} levels deep`);
    this.#marked.push(this.#stack);
    this.#stack = [];
  }

  /** Pops the values since the last mark. */
  popMark(): unknown[] {
    const values = this.#stack;
    const below = this.#marked.pop();
    if (below === undefined) throw new ConversionError('the pickle uses a mark that it has not set');
    this.#stack = below;
    return values;
  }

  /** Pops values; the one that was pushed last is the last of them. */
  popMany(count: number): unknown[] {
    return Array.from({ length: count }, () => this.pop()).reverse();
  }

  remember(key: number): void {
    if (this.#memo.size === MAX_MEMO) throw new ConversionError(`the pickle memoizes more than ${MAX_MEMO} objects`);
    this.#memo.set(key, this.top());
  }

  rememberNext(): void {
    this.remember(this.#memo.size);
  }

  recall(key: number): void {
    if (!this.#memo.has(key)) throw new ConversionError(`the pickle recalls object ${key}, which it has not memoized`);
    this.push(this.#memo.get(key));
  }

  call(): void {
    const [callee, args] = this.popMany(2);
    const values = expectList(args);
    // A call may walk its arguments, and the same list may be passed many times.
    for (const value of values) this.charge(Array.isArray(value) ? value.length : 1);
    this.push(this.host.call(callee, values));
  }
}

/** Executes an opcode. */
type OpcodeHandler = (machine: Machine) => void;

const pushing =
  (make: (machine: Machine) => unknown): OpcodeHandler =>
  (machine) =>
    machine.push(make(machine));

const appending =
  (take: (machine: Machine) => readonly unknown[]): OpcodeHandler =>
  (machine) => {
    const values = take(machine);
    const list = expectList(machine.top());
    for (const value of values) list.push(value);
  };

const setting =
  (take: (machine: Machine) => readonly unknown[]): OpcodeHandler =>
  (machine) => {
    const pairs = take(machine);
    setItems(expectMap(machine.top()), pairs);
  };

const STOP = 0x2e;

/** Handlers by opcode. Opcodes of protocol 0 and 1 are letters. */
const OPERATIONS: readonly (OpcodeHandler | undefined)[] = byCode([
  // Protocol version and frame sizes.
  [0x80, ({ input }) => void input.uint8()],
  [0x95, ({ input }) => void input.uint64()],
  ['(', (machine) => machine.mark()],
  ['0', (machine) => void machine.pop()],
  ['1', (machine) => void machine.popMark()],

  ['N', pushing(() => null)],
  [0x88, pushing(() => true)],
  [0x89, pushing(() => false)],
  ['I', pushing(({ input }) => decimal(input.line()))],
  ['L', pushing(({ input }) => decimal(input.line().replace(/L$/, '')))],
  ['J', pushing(({ input }) => input.int32())],
  ['K', pushing(({ input }) => input.uint8())],
  ['M', pushing(({ input }) => input.uint16())],
  [0x8a, pushing(({ input }) => input.integer(input.uint8()))],
  [0x8b, pushing(({ input }) => input.integer(input.uint32()))],
  ['F', pushing(({ input }) => Number(input.line()))],
  ['G', pushing(({ input }) => input.float64())],
  ['X', pushing(({ input }) => input.utf8(input.uint32()))],
  [0x8c, pushing(({ input }) => input.utf8(input.uint8()))],
  [0x8d, pushing(({ input }) => input.utf8(input.uint64()))],
  ['T', pushing(({ input }) => input.latin1(input.uint32()))],
  ['U', pushing(({ input }) => input.latin1(input.uint8()))],
  ['B', pushing(({ input }) => input.bytes(input.uint32()))],
  ['C', pushing(({ input }) => input.bytes(input.uint8()))],
  [0x8e, pushing(({ input }) => input.bytes(input.uint64()))],

  [')', pushing(() => [])],
  ['t', pushing((machine) => machine.popMark())],
  [0x85, pushing((machine) => machine.popMany(1))],
  [0x86, pushing((machine) => machine.popMany(2))],
  [0x87, pushing((machine) => machine.popMany(3))],
  [']', pushing(() => [])],
  ['l', pushing((machine) => machine.popMark())],
  ['a', appending((machine) => machine.popMany(1))],
  ['e', appending((machine) => machine.popMark())],
  ['}', pushing(() => new Map())],
  ['d', pushing((machine) => setItems(new Map(), machine.popMark()))],
  ['s', setting((machine) => machine.popMany(2))],
  ['u', setting((machine) => machine.popMark())],
  [0x8f, pushing(() => new Set())],
  [
    0x90,
    (machine) => {
      const values = machine.popMark();
      const set = machine.top();
      if (!(set instanceof Set)) throw new ConversionError('the pickle adds to a value that is not a set');
      for (const value of values) set.add(value);
    },
  ],
  [0x91, pushing((machine) => new Set(machine.popMark()))],

  ['p', (machine) => machine.remember(Number(machine.input.line()))],
  ['q', (machine) => machine.remember(machine.input.uint8())],
  ['r', (machine) => machine.remember(machine.input.uint32())],
  [0x94, (machine) => machine.rememberNext()],
  ['g', (machine) => machine.recall(Number(machine.input.line()))],
  ['h', (machine) => machine.recall(machine.input.uint8())],
  ['j', (machine) => machine.recall(machine.input.uint32())],

  ['c', pushing(({ input, host }) => host.global(input.line(), input.line()))],
  [
    0x93,
    (machine) => {
      const [module, name] = machine.popMany(2);
      if (typeof module !== 'string' || typeof name !== 'string')
        throw new ConversionError('the name of a global is not a text');
      machine.push(machine.host.global(module, name));
    },
  ],
  ['R', (machine) => machine.call()],
  // Creates an object without its constructor; the classes of the host make no difference.
  [0x81, (machine) => machine.call()],
  [
    'b',
    (machine) => {
      const state = machine.pop();
      machine.host.build(machine.top(), state);
    },
  ],
  ['Q', pushing((machine) => machine.host.persistent(machine.pop()))],
]);

function byCode(
  operations: readonly (readonly [code: string | number, handler: OpcodeHandler])[],
): (OpcodeHandler | undefined)[] {
  const table: (OpcodeHandler | undefined)[] = new Array(256).fill(undefined);
  for (const [code, handler] of operations) table[typeof code === 'number' ? code : code.charCodeAt(0)] = handler;
  return table;
}

/** Protocol 0 writes booleans as the integers 00 and 01. */
function decimal(text: string): number | bigint | boolean {
  if (text === '00' || text === '01') return text === '01';
  if (!/^-?\d{1,40}$/.test(text)) throw new ConversionError(`"${text.slice(0, 40)}" is not an integer`);
  return exact(BigInt(text));
}

function setItems(map: Map<unknown, unknown>, pairs: readonly unknown[]): Map<unknown, unknown> {
  if (pairs.length % 2 !== 0) throw new ConversionError('the pickle sets a key without a value');
  for (let index = 0; index < pairs.length; index += 2) map.set(pairs[index], pairs[index + 1]);
  return map;
}

function expectList(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new ConversionError('the pickle uses a value as a list or tuple that is not one');
  return value;
}

function expectMap(value: unknown): Map<unknown, unknown> {
  if (!(value instanceof Map)) throw new ConversionError('the pickle uses a value as a dict that is not one');
  return value;
}

const MAX_SHOWN_CHARACTERS = 60;

/**
 * A short text of a value for an error message. Contents of containers are not shown: a container may contain itself, or
 * the same value exponentially often.
 */
export function shown(value: unknown): string {
  if (typeof value === 'string') return value.slice(0, MAX_SHOWN_CHARACTERS);
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  return String(value);
}
