import { AppError, messageOf } from '../common/errors.ts';
import { nearestName } from '../common/nearest-name.ts';
import type { Config } from '../config.ts';
import type { Command, CommandContext } from './command.ts';
import { COMMANDS } from './commands.ts';
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { COMMON_OPTIONS, helpOf, JSON_OPTIONS, overview, usageLine } from './help.ts';
import { type Options, readArguments } from './options.ts';
import { Terminal } from './terminal.ts';
import { UsageError } from './usage-error.ts';

/** The process in which a command runs. */
export interface ProcessState {
  /** Arguments behind the name of the program. */
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Aborted by the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
}

/**
 * Runs what the arguments say, and prints what went wrong.
 * @returns the exit code; undefined when the command was interrupted: the signal decides then
 */
export async function runCommand({ args, environment, signal }: ProcessState): Promise<ExitCode | undefined> {
  const terminal = new Terminal(args.includes('--json'));
  const [first, ...others] = args;
  try {
    if (first === '--help' || first === '-h' || first === 'help') {
      terminal.print(overview());
      return EXIT_CODES.done;
    }
    if (first === '--version') {
      terminal.print(await version());
      return EXIT_CODES.done;
    }
    // Options without a command are those of `serve`.
    const isNamed = first !== undefined && !first.startsWith('-');
    const name = isNamed ? first : 'serve';
    const command = await loadCommand(name);
    return await runArguments(name, command, isNamed ? others : args, { terminal, signal, environment });
  } catch (thrown) {
    if (signal.aborted) {
      terminal.interrupted();
      return undefined;
    }
    terminal.fail(thrown);
    return isUsage(thrown) ? EXIT_CODES.usage : EXIT_CODES.failed;
  }
}

/** Options that are forwarded, such as those of a fine-tune, are judged by what takes them. */
function isUsage(thrown: unknown): boolean {
  return thrown instanceof UsageError || (thrown instanceof AppError && thrown.code === 'invalid_request');
}

async function loadCommand(name: string): Promise<Command> {
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (entry !== undefined) return entry.load();
  const meant = nearestName(name, Object.keys(COMMANDS), 2);
  const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
  throw new UsageError(`there is no command ${name}${hint}`, 'menagerie --help lists the commands');
}

async function runArguments(
  name: string,
  command: Command,
  args: readonly string[],
  { environment, ...context }: Omit<CommandContext, 'config'>,
): Promise<ExitCode> {
  if (asksForHelp(args)) {
    context.terminal.print(await helpOf(name, command));
    return EXIT_CODES.done;
  }
  try {
    const options: Options = { ...command.options, ...(command.json && JSON_OPTIONS), ...COMMON_OPTIONS };
    const given = readArguments(args, options);
    const config = () => readSettings(environment, given.values['config'] as string | undefined);
    return (await command.run(given, { ...context, environment, config })) ?? EXIT_CODES.done;
  } catch (thrown) {
    if (!(thrown instanceof UsageError) || thrown.help !== undefined) throw thrown;
    throw new UsageError(thrown.message, `${usageLine(name, command)}\nmenagerie ${name} --help shows the options`);
  }
}

/** Whether `--help` or `-h` is among the options. */
function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return (end < 0 ? args : args.slice(0, end)).some((argument) => argument === '--help' || argument === '-h');
}

/** @throws UsageError that names every wrong setting */
async function readSettings(environment: ProcessState['environment'], file?: string): Promise<Config> {
  const { loadConfig } = await import('./load-config.ts');
  try {
    return await loadConfig(environment, file);
  } catch (thrown) {
    throw new UsageError(messageOf(thrown), 'menagerie serve --help lists the settings');
  }
}

async function version(): Promise<string> {
  const { packageVersion } = await import('../common/package-files.ts');
  return packageVersion();
}
