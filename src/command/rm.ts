import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { removePulled } from '../acquire/pull/removal.ts';
import { defineCommand } from './command.ts';
import { flag } from './options.ts';
import { UsageError } from './usage-error.ts';

/** Removes pulled and imported models. */
export const rm = defineCommand({
  usage: '<model> ...',
  options: { yes: flag('do not ask') },
  run: async ({ positionals }, { terminal, config: readConfig }) => {
    if (positionals.length === 0) throw new UsageError('the model is missing; menagerie list shows all models');
    const { zooDir, dataDir } = await readConfig();
    for (const name of positionals) {
      const bytes = await removePulled(join(dataDir, 'zoo'), name);
      if (bytes === undefined) {
        const embedded = existsSync(join(zooDir, name, 'manifest.json'));
        throw new Error(
          embedded ? `${name} is embedded and cannot be removed` : `there is no pulled or imported model ${name}`,
        );
      }
      terminal.line(`${name}: removed, ${(bytes / 1e6).toFixed(1)} MB; npx menagerie gc removes its conversions`);
    }
    return undefined;
  },
});
