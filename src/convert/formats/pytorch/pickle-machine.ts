import { ConversionError } from '../../conversion-error.ts';
import type { PickleInput } from './pickle-input.ts';

/** Each step may create an object. A network with its optimizer needs a few hundred thousand steps. */
const MAX_STEPS = 2_000_000;
/** A pickler memoizes each object that it writes. */
const MAX_MEMO = 1_000_000;
/** Nesting of containers; recursive functions walk the result. */
const MAX_DEPTH = 100;

/**
 * Everything that a pickle may use besides plain values. Each method throws a `ConversionError` for unknown values.
 */
export interface PickleHost {
  /** Resolves a class or function. */
  global(module: string, name: string): unknown;
  call(callee: unknown, args: readonly unknown[]): unknown;
  /** Sets the state of an object. */
  build(object: unknown, state: unknown): void;
  /** Resolves an object that is stored outside the pickle. */
  persistent(id: unknown): unknown;
}

/** The stack machine that a pickle is a program for. */
export class PickleMachine {
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

  /** Executes opcodes up to STOP, with handlers by opcode. @returns the value on top of the stack */
  run(handlers: readonly (OpcodeHandler | undefined)[]): unknown {
    for (;;) {
      const code = this.input.uint8();
      if (code === STOP) return this.pop();
      const handler = handlers[code];
      if (handler === undefined) throw new ConversionError(`the pickle has opcode ${code}, which is not supported`);
      handler(this);
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
export type OpcodeHandler = (machine: PickleMachine) => void;

const STOP = 0x2e;

export function expectList(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new ConversionError('the pickle uses a value as a list or tuple that is not one');
  return value;
}

const MAX_SHOWN_CHARACTERS = 60;

/**
 * A short text of a value for an error message. Contents of containers are not shown: a container may contain itself,
 * or the same value exponentially often.
 */
export function shown(value: unknown): string {
  if (typeof value === 'string') return value.slice(0, MAX_SHOWN_CHARACTERS);
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  return String(value);
}
