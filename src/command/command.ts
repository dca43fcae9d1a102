import type { Config } from '../config.ts';
import type { ExitCode } from './exit-codes.ts';
import type { Options, Values } from './options.ts';
import type { Terminal } from './terminal.ts';

/** What a command runs with. */
export interface CommandContext {
  readonly terminal: Terminal;
  /** Aborted by the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The settings in the environment and the file of `--config`. @throws UsageError that names every wrong setting */
  readonly config: () => Promise<Config>;
}

/** What was typed behind the name of a command. */
export interface Given<T extends Options> {
  readonly values: Values<T>;
  readonly positionals: readonly string[];
}

/** A sub-command: its help, its options and what it does. */
export interface Command {
  /** Its arguments, such as `<model> ...`; empty when it has none. */
  readonly usage: string;
  /** More sentences for its help. */
  readonly details?: string;
  /** What its help ends with, if that takes a while to make. */
  readonly appendix?: () => Promise<string>;
  readonly options: Options;
  /** Whether it has `--json`. */
  readonly json: boolean;
  /**
   * @returns the exit code; `EXIT_CODES.done` when there is none
   * @throws UsageError when the arguments are wrong
   */
  run(given: Given<Options>, context: CommandContext): Promise<ExitCode | undefined>;
}

/** Ties what a command runs to the types of its options. */
export function defineCommand<const T extends Options>(command: {
  readonly usage: string;
  readonly details?: string;
  readonly appendix?: () => Promise<string>;
  readonly options: T;
  readonly json?: false;
  readonly run: (given: Given<T>, context: CommandContext) => Promise<ExitCode | undefined>;
}): Command {
  // The values that `run` is given are read by these very options.
  const run = command.run as (given: Given<Options>, context: CommandContext) => Promise<ExitCode | undefined>;
  return { ...command, json: command.json ?? true, run };
}
