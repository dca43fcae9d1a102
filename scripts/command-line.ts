import { type ParseArgsConfig, parseArgs } from 'node:util';
import { expectEnd, parseWholeNumber, required } from '../src/command/options.ts';
import { UsageError } from '../src/command/usage-error.ts';
import { messageOf } from '../src/common/errors.ts';

export { expectEnd, required, UsageError };

type Options = NonNullable<ParseArgsConfig['options']>;
type Parsed<T extends Options> = ReturnType<typeof parseArgs<{ options: T; allowPositionals: true }>>;

/**
 * Reads the arguments of the process. With `--help` it prints the usage and exits with 0; with wrong arguments it
 * prints what is wrong, then the usage, and exits with 2.
 *
 * @param read turns the parsed arguments into what the script needs; throws `UsageError` when they are wrong
 */
export function readCommandLine<const T extends Options, R>(
  usage: string,
  options: T,
  read: (parsed: Parsed<T>) => R,
): R {
  const args = process.argv.slice(2);
  if (asksForHelp(args)) {
    console.log(usage);
    process.exit(0);
  }
  try {
    return read(parseArguments(args, options));
  } catch (thrown) {
    if (!(thrown instanceof UsageError)) throw thrown;
    console.error(`${thrown.message}\n\n${usage}`);
    process.exit(2);
  }
}

/** Whether `--help` or `-h` is among the arguments. */
export function asksForHelp(args: readonly string[]): boolean {
  return args.includes('--help') || args.includes('-h');
}

/** Parses arguments. @throws UsageError for an unknown option or a missing value */
export function parseArguments<const T extends Options>(args: readonly string[], options: T): Parsed<T> {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (thrown) {
    // Node.js adds how to pass such a text as a positional argument, which is never what was meant.
    throw new UsageError(messageOf(thrown).replace(/\. To specify .*/s, ''));
  }
}

/** A whole number of at least `minimum`. @throws UsageError when the text is no such number */
export function wholeNumber(option: string, text: string, minimum: number): number {
  try {
    return parseWholeNumber(text, minimum);
  } catch (thrown) {
    throw new UsageError(`${option}: ${messageOf(thrown)}`);
  }
}

/** @throws UsageError when the text is not one of the choices */
export function oneOf<T extends string>(option: string, text: string, choices: readonly T[]): T {
  const choice = choices.find((each) => each === text);
  if (choice === undefined) throw new UsageError(`${option}: "${text}" is not one of ${choices.join(', ')}`);
  return choice;
}
