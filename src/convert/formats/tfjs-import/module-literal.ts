import { ConversionError } from '../../conversion-error.ts';

/** Nesting of objects and arrays. */
const MAX_DEPTH = 60;

/**
 * Reads the literal that a CommonJS module exports: `module.exports = {...}` or a text, possibly minified and wrapped
 * by a bundler. The module is not executed.
 *
 * @throws ConversionError when the module exports anything else
 */
export function moduleLiteral(source: string, path: string): unknown {
  const start = /\b[\w$]+\.exports\s*=\s*(?=["'{[])/.exec(source);
  if (start === null) throw new ConversionError(`${path} does not export a literal`);
  try {
    return new LiteralReader(source, start.index + start[0].length).value(0);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new ConversionError(`${path} does not export a readable literal: ${cause.message}`, { cause });
  }
}

const SPACE = /\s*/y;
const NUMBER = /[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?/iy;
const KEY = /[\w$]+/y;
/** Booleans, null and undefined, also as minifiers write them. */
const WORDS: readonly (readonly [RegExp, unknown])[] = [
  [/(?:!0|true)\b/y, true],
  [/(?:!1|false)\b/y, false],
  [/null\b/y, null],
  [/(?:void 0|undefined)\b/y, undefined],
];
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f', v: '\v', 0: '\0' };

class LiteralReader {
  readonly #source: string;
  #position: number;

  constructor(source: string, position: number) {
    this.#source = source;
    this.#position = position;
  }

  value(depth: number): unknown {
    if (depth > MAX_DEPTH) throw new SyntaxError(`it is nested more than ${MAX_DEPTH} levels deep`);
    const next = this.#next();
    if (next === '{') return this.#object(depth);
    if (next === '[') return this.#array(depth);
    if (next === '"' || next === "'") return this.#text();
    for (const [pattern, value] of WORDS) if (this.#take(pattern) !== undefined) return value;
    const number = this.#take(NUMBER);
    if (number !== undefined) return Number(number);
    throw new SyntaxError(`"${this.#source.slice(this.#position, this.#position + 20)}" is not a literal`);
  }

  #object(depth: number): Record<string, unknown> {
    const entries: [string, unknown][] = [];
    this.#list('}', () => {
      const next = this.#next();
      const key = next === '"' || next === "'" ? this.#text() : this.#take(KEY);
      if (key === undefined || this.#next() !== ':') throw new SyntaxError('a key and a colon were expected');
      this.#position += 1;
      entries.push([key, this.value(depth + 1)]);
    });
    // Unlike an assignment, this creates an own property for "__proto__".
    return Object.fromEntries(entries);
  }

  #array(depth: number): unknown[] {
    const values: unknown[] = [];
    this.#list(']', () => values.push(this.value(depth + 1)));
    return values;
  }

  #list(end: string, readItem: () => void): void {
    this.#position += 1;
    while (this.#next() !== end) {
      readItem();
      if (this.#next() === ',') this.#position += 1;
      else if (this.#next() !== end) throw new SyntaxError(`a comma or "${end}" was expected`);
    }
    this.#position += 1;
  }

  /** Reads a text in slices between escapes, since it may have megabytes. */
  #text(): string {
    const quote = this.#source.charAt(this.#position);
    const special = quote === '"' ? /["\\\n]/g : /['\\\n]/g;
    let text = '';
    let from = this.#position + 1;
    for (;;) {
      special.lastIndex = from;
      const found = special.exec(this.#source);
      if (found === null || found[0] === '\n') throw new SyntaxError('a text is not terminated');
      text += this.#source.slice(from, found.index);
      from = found.index + 1;
      if (found[0] === quote) break;
      const [escaped, length] = this.#escape(from);
      text += escaped;
      from += length;
    }
    this.#position = from;
    return text;
  }

  #escape(position: number): [text: string, length: number] {
    const [hex, short, long] =
      /^(?:x([\da-f]{2})|u([\da-f]{4}))/i.exec(this.#source.slice(position, position + 5)) ?? [];
    if (hex !== undefined) return [String.fromCharCode(Number.parseInt(short ?? long ?? '', 16)), hex.length];
    const letter = this.#source.charAt(position);
    return [ESCAPES[letter] ?? letter, 1];
  }

  /** Skips white space and returns the next character without consuming it. */
  #next(): string {
    this.#take(SPACE);
    return this.#source.charAt(this.#position);
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#position;
    const [found] = pattern.exec(this.#source) ?? [];
    if (found !== undefined) this.#position += found.length;
    return found;
  }
}
