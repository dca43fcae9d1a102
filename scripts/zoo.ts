/** Manages the models of the zoo. */
import { messageOf } from '../src/common/errors.ts';
import { asksForHelp, UsageError } from './command-line.ts';
import type { Command } from './zoo/command.ts';
import { convertModels } from './zoo/convert.ts';
import { collect } from './zoo/gc.ts';
import { importModel } from './zoo/import.ts';
import { listModels } from './zoo/list.ts';
import { pullModels } from './zoo/pull.ts';
import { removeModels } from './zoo/remove.ts';
import { verifyModels } from './zoo/verify.ts';

const COMMANDS: Readonly<Record<string, Command>> = {
  list: listModels,
  pull: pullModels,
  verify: verifyModels,
  convert: convertModels,
  import: importModel,
  remove: removeModels,
  gc: collect,
};

const USAGE = `usage: npm run zoo -- <command> [arguments]

${Object.values(COMMANDS)
  .map(({ usage, summary }) => `  ${usage}\n      ${summary}`)
  .join('\n')}

npm run zoo -- <command> --help shows the options of a command.`;

const usageOf = ({ usage, summary, help }: Command): string =>
  [`usage: npm run zoo -- ${usage}`, summary, ...(help === undefined ? [] : [help])].join('\n\n');

const [name = '', ...args] = process.argv.slice(2);
const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
if (command === undefined) {
  if (asksForHelp([name])) {
    console.log(USAGE);
    process.exit(0);
  }
  console.error(name === '' ? USAGE : `there is no command ${name}\n\n${USAGE}`);
  process.exit(2);
}
if (asksForHelp(args)) {
  console.log(usageOf(command));
  process.exit(0);
}
try {
  await command.run(args);
} catch (thrown) {
  const isUsage = thrown instanceof UsageError;
  console.error(isUsage ? `${thrown.message}\n\n${usageOf(command)}` : messageOf(thrown));
  process.exitCode = isUsage ? 2 : 1;
}
