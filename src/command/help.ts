import type { Command } from './command.ts';
import { COMMANDS } from './commands.ts';
import { flag, type Options, text } from './options.ts';

/** Width of the help in characters. */
const WIDTH = 96;

/** Options that all commands have. */
export const COMMON_OPTIONS = {
  config: text('<file.yaml>', 'settings; those of the environment come first'),
  help: flag('print this help'),
} as const;
/** The option of commands that print results. */
export const JSON_OPTIONS = {
  json: flag('print one JSON document on standard output, also for an error; messages go to standard error'),
} as const;

const EXIT_CODE_WORDS = `Exit codes: 0 done, 1 failed, 2 wrong arguments or settings, 3 done except for images that cannot be
read, 130 interrupted by Ctrl-C, 143 by SIGTERM.`;

/** The help of `menagerie`. */
export function overview(): string {
  const longest = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  const rows = Object.entries(COMMANDS).map(([name, { summary }]) => row(name, summary, longest));
  return [
    'usage: menagerie [<command>] [<arguments>] [<options>]',
    'Classifies images, teaches models new classes, and serves them over HTTP.',
    rows.join('\n'),
    'menagerie <command> --help shows the options of a command. Settings, such as PORT=3000, are in the\n' +
      'environment or in the file of --config; menagerie serve --help lists them.',
    EXIT_CODE_WORDS,
  ].join('\n\n');
}

/** The help of a command. */
export async function helpOf(name: string, command: Command): Promise<string> {
  const { details, options, json, appendix } = command;
  const all: Options = { ...options, ...(json && JSON_OPTIONS), ...COMMON_OPTIONS };
  const entries = Object.entries(all).map(([option, { value, words, repeated }]) => ({
    left: [`--${option}`, ...(value === undefined ? [] : [value]), ...(repeated ? ['...'] : [])].join(' '),
    words,
  }));
  const longest = Math.min(32, Math.max(...entries.map(({ left }) => left.length)));
  return [
    usageLine(name, command),
    COMMANDS[name]?.summary,
    ...(details === undefined ? [] : [details]),
    entries.map(({ left, words }) => row(left, words, longest)).join('\n'),
    ...(appendix === undefined ? [] : [await appendix()]),
  ].join('\n\n');
}

/** The first line of the help. */
export function usageLine(name: string, { usage }: Command): string {
  return ['usage: menagerie', name, ...(usage === '' ? [] : [usage]), '[<options>]'].join(' ');
}

/** Two columns; a left one that is too long has a line of its own. */
function row(left: string, words: string, longest: number): string {
  const indent = ' '.repeat(longest + 5);
  const lines = wrapped(words, WIDTH - indent.length);
  const [first = '', ...others] = lines;
  const head = left.length > longest ? `  ${left}\n${indent}${first}` : `  ${left.padEnd(longest)}   ${first}`;
  return [head, ...others.map((line) => indent + line)].join('\n');
}

function wrapped(words: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of words.split(' ')) {
    const line = lines.at(-1);
    if (line === undefined || line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return lines;
}
