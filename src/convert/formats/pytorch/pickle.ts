import { ConversionError } from '../../conversion-error.ts';
import { exact, PickleInput } from './pickle-input.ts';

/** The state of a network with its optimizer's takes some hundred thousand steps. Each may make an object. */
const MAX_STEPS = 2_000_000;
/** A pickler remembers each object that it writes. */
const MAX_MEMO = 1_000_000;
/** Containers within containers: what is built is walked by functions that call themselves. */
const MAX_DEPTH = 100;

/** What a pickle may use beside plain values. All of it throws a `ConversionError` for what it does not know. */
export interface PickleHost {
  /** A class or function, by its names in Python. */
  global(module: string, name: string): unknown;
  call(callee: unknown, args: readonly unknown[]): unknown;
  /** Gives an object that was made before its state. */
  build(object: unknown, state: unknown): void;
  /** An object that is kept outside the pickle. */
  persistent(id: unknown): unknown;
}

/**
 * Reads one pickle, with nothing in it but numbers, texts, tuples and lists (arrays), dicts (`Map`), sets, and what the
 * host makes. A pickle is a program for a stack machine, and Python's would run any function that it names: this one
 * has no functions but the host's. Opcodes: https://github.com/python/cpython/blob/main/Lib/pickletools.py
 *
 * @returns the value, and where the pickle ends
 * @throws ConversionError when it holds anything else; PickleEndsEarly when `bytes` end before it does
 */
export function unpickle(bytes: Uint8Array, begin: number, host: PickleHost): { value: unknown; end: number } {
  const machine = new Machine(new PickleInput(bytes, begin), host);
  return { value: machine.run(), end: machine.input.position };
}

class Machine {
  readonly input: PickleInput;
  readonly host: PickleHost;
  readonly #memo = new Map<number, unknown>();
  /** Below the stack in use: those that a MARK has put aside. */
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
      if (operation === undefined)
        throw new ConversionError(`there is no pickle opcode ${code} that a checkpoint needs`);
      operation(this);
      this.charge(1);
    }
  }

  charge(steps: number): void {
    this.#steps += steps;
    if (this.#steps > MAX_STEPS) throw new ConversionError(`the pickle takes more than ${MAX_STEPS} steps`);
  }

  push(value: unknown): void {
    this.#stack.push(value);
  }

  pop(): unknown {
    if (this.#stack.length === 0) throw new ConversionError('the pickle takes a value from an empty stack');
    return this.#stack.pop();
  }

  top(): unknown {
    const value = this.pop();
    this.push(value);
    return value;
  }

  mark(): void {
    if (this.#marked.length === MAX_DEPTH) throw new ConversionError(`the pickle nests more than ${MAX_DEPTH} deep`);
    this.#marked.push(this.#stack);
    this.#stack = [];
  }

  /** The values since the last mark. */
  popMark(): unknown[] {
    const values = this.#stack;
    const below = this.#marked.pop();
    if (below === undefined) throw new ConversionError('the pickle looks for a mark that it never set');
    this.#stack = below;
    return values;
  }

  /** The values on top, the last pushed last. */
  popMany(count: number): unknown[] {
    return Array.from({ length: count }, () => this.pop()).reverse();
  }

  remember(key: number): void {
    if (this.#memo.size === MAX_MEMO) throw new ConversionError(`the pickle remembers more than ${MAX_MEMO} objects`);
    this.#memo.set(key, this.top());
  }

  rememberNext(): void {
    this.remember(this.#memo.size);
  }

  recall(key: number): void {
    if (!this.#memo.has(key)) throw new ConversionError(`the pickle recalls object ${key}, which it never made`);
    this.push(this.#memo.get(key));
  }

  call(): void {
    const [callee, args] = this.popMany(2);
    const values = expectList(args);
    // A call may walk what it is given, and the same list may be given again and again.
    for (const value of values) this.charge(Array.isArray(value) ? value.length : 1);
    this.push(this.host.call(callee, values));
  }
}

type Step = (machine: Machine) => void;

const pushing =
  (make: (machine: Machine) => unknown): Step =>
  (machine) =>
    machine.push(make(machine));

const appending =
  (take: (machine: Machine) => readonly unknown[]): Step =>
  (machine) => {
    const values = take(machine);
    const list = expectList(machine.top());
    for (const value of values) list.push(value);
  };

const setting =
  (take: (machine: Machine) => readonly unknown[]): Step =>
  (machine) => {
    const pairs = take(machine);
    setItems(expectMap(machine.top()), pairs);
  };

const STOP = 0x2e;

/** By the opcode's byte, which is a letter where protocol 0 or 1 had it already. */
const OPERATIONS: readonly (Step | undefined)[] = byCode([
  // The frame of a pickle: its protocol, and hints for reading it in pieces.
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
      if (!(set instanceof Set)) throw new ConversionError('the pickle adds to a set that is none');
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
      if (typeof module !== 'string' || typeof name !== 'string') throw new ConversionError('a global without a name');
      machine.push(machine.host.global(module, name));
    },
  ],
  ['R', (machine) => machine.call()],
  // A class made without its constructor; the classes that a host knows make no difference.
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

function byCode(operations: readonly (readonly [code: string | number, step: Step])[]): (Step | undefined)[] {
  const table: (Step | undefined)[] = new Array(256).fill(undefined);
  for (const [code, step] of operations) table[typeof code === 'number' ? code : code.charCodeAt(0)] = step;
  return table;
}

/** Protocol 0 writes booleans as the integers 00 and 01. */
function decimal(text: string): number | bigint | boolean {
  if (text === '00' || text === '01') return text === '01';
  if (!/^-?\d{1,40}$/.test(text)) throw new ConversionError(`"${text.slice(0, 40)}" is no integer`);
  return exact(BigInt(text));
}

function setItems(map: Map<unknown, unknown>, pairs: readonly unknown[]): Map<unknown, unknown> {
  if (pairs.length % 2 !== 0) throw new ConversionError('the pickle sets a key without a value');
  for (let index = 0; index < pairs.length; index += 2) map.set(pairs[index], pairs[index + 1]);
  return map;
}

function expectList(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new ConversionError('the pickle takes for a list or tuple what is none');
  return value;
}

function expectMap(value: unknown): Map<unknown, unknown> {
  if (!(value instanceof Map)) throw new ConversionError('the pickle takes for a dict what is none');
  return value;
}
