/** The zoo on the terminal: npm run zoo -- <command> [arguments]; without a command it says which there are. */
import { messageOf } from '../src/common/errors.ts';
import { type Command, UsageError } from './zoo/command.ts';
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

const [name = '', ...args] = process.argv.slice(2);
const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
if (command === undefined) {
  const lines = Object.values(COMMANDS).map(({ usage, summary }) => `  npm run zoo -- ${usage}\n      ${summary}`);
  console.error(`usage:\n${lines.join('\n')}`);
  process.exit(2);
}
try {
  await command.run(args);
} catch (thrown) {
  console.error(messageOf(thrown));
  if (thrown instanceof UsageError) console.error(`usage: npm run zoo -- ${command.usage}`);
  process.exitCode = thrown instanceof UsageError ? 2 : 1;
}
