import { ConversionError } from '../../conversion-error.ts';
import { exact, PickleInput } from './pickle-input.ts';
import { expectList, type OpcodeHandler, type PickleHost, PickleMachine } from './pickle-machine.ts';

/**
 * Reads one pickle of numbers, texts, tuples and lists (arrays), dicts (`Map`), sets, and objects that the host
 * creates. A pickle is a program for a stack machine. Python's machine runs any function that the pickle names; this
 * one only runs functions of the host. Opcodes: https://github.com/python/cpython/blob/main/Lib/pickletools.py
 *
 * @returns the value, and the offset after the pickle
 * @throws ConversionError when it has anything else; PickleEndsEarly when `bytes` end inside the pickle
 */
export function unpickle(bytes: Uint8Array, begin: number, host: PickleHost): { value: unknown; end: number } {
  const machine = new PickleMachine(new PickleInput(bytes, begin), host);
  return { value: machine.run(HANDLERS), end: machine.input.position };
}

const pushing =
  (make: (machine: PickleMachine) => unknown): OpcodeHandler =>
  (machine) =>
    machine.push(make(machine));

const appending =
  (take: (machine: PickleMachine) => readonly unknown[]): OpcodeHandler =>
  (machine) => {
    const values = take(machine);
    const list = expectList(machine.top());
    for (const value of values) list.push(value);
  };

const setting =
  (take: (machine: PickleMachine) => readonly unknown[]): OpcodeHandler =>
  (machine) => {
    const pairs = take(machine);
    setItems(expectMap(machine.top()), pairs);
  };

/** Handlers by opcode. Opcodes of protocol 0 and 1 are letters. */
const HANDLERS: readonly (OpcodeHandler | undefined)[] = byCode([
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

function expectMap(value: unknown): Map<unknown, unknown> {
  if (!(value instanceof Map)) throw new ConversionError('the pickle uses a value as a dict that is not one');
  return value;
}
