import { parseArgs } from 'node:util';
import { nearestName } from '../common/nearest-name.ts';
import { UsageError } from './usage-error.ts';

/** Letters of the shortest name that is suggested: whoever types it means one of few. */
const SHORTEST = 2;

/** An option of a command: how it is read, and what its help says. */
export interface Option<Value = unknown> {
  /** What stands for the value in the help, such as `<n>`; an option without it is a switch. */
  readonly value?: string;
  /** What it does, in the help. */
  readonly words: string;
  /** Whether it may be given more than once; its value is then a list. */
  readonly repeated?: true;
  /** The value of what was given: nothing, one text or several. @throws Error that says what would be right */
  readonly read: (given: readonly string[]) => Value;
}

/** Options by name. */
export type Options = Readonly<Record<string, Option>>;

/** The values of options. */
export type Values<T extends Options> = { readonly [Name in keyof T]: ReturnType<T[Name]['read']> };

const last = (given: readonly string[]): string | undefined => given.at(-1);

/** A switch, which is off unless it is given. */
export function flag(words: string): Option<boolean> {
  return { words, read: (given) => given.length > 0 };
}

/** Any text. */
export function text(value: string, words: string): Option<string | undefined> {
  return { value, words, read: last };
}

/** Texts; the option may be given more than once. */
export function texts(value: string, words: string): Option<readonly string[]> {
  return { value, words, repeated: true, read: (given) => given };
}

/** A text of a few. */
export function choice<const T extends string, D extends T | undefined = undefined>(
  choices: readonly T[],
  words: string,
  fallback?: D,
): Option<T | D> {
  const read = (given: readonly string[]): T | D => {
    const typed = last(given);
    if (typed === undefined) return fallback as D;
    const found = choices.find((each) => each === typed);
    if (found === undefined) throw new Error(`"${typed}" is not one of ${choices.join(', ')}`);
    return found;
  };
  return { value: choices.join('|'), words: words + defaultWords(fallback), read };
}

/** A whole number of at least `minimum`. */
export function wholeNumber<D extends number | undefined = undefined>(
  words: string,
  minimum: number,
  fallback?: D,
): Option<number | D> {
  const read = (given: readonly string[]): number | D => {
    const typed = last(given);
    return typed === undefined ? (fallback as D) : parseWholeNumber(typed, minimum);
  };
  return { value: '<n>', words: words + defaultWords(fallback), read };
}

/** A number from 0 to 1. */
export function share<D extends number | undefined = undefined>(words: string, fallback?: D): Option<number | D> {
  const read = (given: readonly string[]): number | D => {
    const typed = last(given);
    if (typed === undefined) return fallback as D;
    const value = typed.trim() === '' ? Number.NaN : Number(typed);
    if (value >= 0 && value <= 1) return value;
    throw new Error(`"${typed}" is not a number from 0 to 1`);
  };
  return { value: '<0..1>', words: words + defaultWords(fallback), read };
}

/** @throws Error when the text is no whole number of at least `minimum` */
export function parseWholeNumber(typed: string, minimum: number): number {
  const value = typed.trim() === '' ? Number.NaN : Number(typed);
  if (Number.isSafeInteger(value) && value >= minimum) return value;
  throw new Error(`"${typed}" is not a whole number of at least ${minimum}`);
}

function defaultWords(fallback: string | number | undefined): string {
  return fallback === undefined ? '' : ` (default: ${fallback})`;
}

/**
 * Reads arguments by a table of options. What follows `--` is never an option.
 * @throws UsageError that names the nearest option for an unknown one, a missing value, a wrong value
 */
export function readArguments<T extends Options>(
  args: readonly string[],
  options: T,
): { readonly values: Values<T>; readonly positionals: readonly string[] } {
  const types = Object.entries(options).map(
    ([name, { value }]) => [name, { type: value === undefined ? 'boolean' : 'string' }] as const,
  );
  const { tokens, positionals } = parseArgs({
    args: [...args],
    options: Object.fromEntries(types),
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const given = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    if (option === undefined) throw unknownOption(token.rawName, Object.keys(options), args[token.index]);
    const typed = checkedValue(token, option);
    given.set(token.name, [...(given.get(token.name) ?? []), typed]);
  }
  const values = Object.entries(options).map(([name, { read }]) => {
    try {
      return [name, read(given.get(name) ?? [])];
    } catch (thrown) {
      throw new UsageError(`--${name}: ${thrown instanceof Error ? thrown.message : thrown}`);
    }
  });
  return { values: Object.fromEntries(values) as Values<T>, positionals };
}

function checkedValue(
  { rawName, value, inlineValue }: { rawName: string; value: string | undefined; inlineValue: boolean | undefined },
  option: Option,
): string {
  if (option.value === undefined) {
    if (value !== undefined) throw new UsageError(`${rawName} takes no value`);
    return '';
  }
  // What looks like an option is one, unless it is attached: --model=-x.
  if (value === undefined || (inlineValue === false && /^-./.test(value))) {
    throw new UsageError(`${rawName} needs a value: ${rawName} ${option.value}`);
  }
  return value;
}

function unknownOption(typed: string, names: readonly string[], whole = typed): UsageError {
  const meant = nearestName(typed.replace(/^-+/, ''), names, SHORTEST);
  const hint = meant === undefined ? '' : `; did you mean --${meant}?`;
  const file = /^-[^-].*[./]/.test(whole) ? `; a path that begins with a dash is written ./${whole}` : '';
  return new UsageError(`there is no option ${typed}${hint}${file}`);
}

/** @throws UsageError when the argument is missing */
export function required<T>(name: string, value: T | undefined): T {
  if (value === undefined) throw new UsageError(`${name} is missing`);
  return value;
}

/** @throws UsageError when there are more arguments */
export function expectEnd(rest: readonly string[]): void {
  if (rest.length > 0) throw new UsageError(`unexpected argument: ${rest.join(' ')}`);
}
