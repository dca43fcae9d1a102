import { defineCommand } from './command.ts';
import { flag } from './options.ts';
import { UsageError } from './usage-error.ts';
import { withZoo } from './with-zoo.ts';

/** Removes models. */
export const rm = defineCommand({
  usage: '<model or model@version> ...',
  details:
    'Removes pulled and imported models, one version of a fine-tuned model (flowers@2), or all of it (flowers).\n' +
    'It asks on a terminal, and needs --yes elsewhere. menagerie gc removes what was made of them.',
  options: { yes: flag('do not ask') },
  run: ({ values: { yes }, positionals }, context) => {
    if (positionals.length === 0) throw new UsageError('the model is missing; menagerie list shows all models');
    return withZoo(context, async (zoo) => {
      const { terminal, signal } = context;
      const models = await zoo.models();
      const removed: string[] = [];
      for (const typed of positionals) {
        const reference = zoo.services.registry.fullName(typed);
        const model = models.find(({ name }) => name === reference);
        const versions = model?.state === 'trained' ? ` with ${versionCount(model.versions.length)}` : '';
        const known = model !== undefined || reference.includes('@');
        // What is not there needs no question: the error says so.
        if (!yes && known && !(await terminal.confirm(`Remove ${reference}${versions}?`, signal))) {
          terminal.line(`${reference}: kept`);
          continue;
        }
        await zoo.remove(reference);
        terminal.line(`${reference}: removed`);
        removed.push(reference);
      }
      terminal.document({ removed });
      return undefined;
    });
  },
});

function versionCount(count: number): string {
  return count === 1 ? 'its version' : `its ${count} versions`;
}
