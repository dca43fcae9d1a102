import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { removePulled } from '../../src/acquire/pull/removal.ts';
import { type Command, UsageError } from './command.ts';
import { openZoo } from './open-zoo.ts';

/** Takes away what was pulled or imported. */
export const removeModels: Command = {
  usage: 'remove <model> ...',
  summary: 'takes away weights that were pulled, and models that were imported',
  run: async (args) => {
    if (args.length === 0) throw new UsageError('which model? npm run zoo -- list shows them');
    const { config, pulledDir } = await openZoo();
    for (const name of args) {
      const bytes = await removePulled(pulledDir, name);
      if (bytes === undefined) {
        const embedded = existsSync(join(config.zooDir, name, 'manifest.json'));
        throw new Error(
          embedded ? `${name}: nothing of it was pulled` : `there is no pulled or imported model ${name}`,
        );
      }
      console.log(`${name}: removed, ${(bytes / 1e6).toFixed(1)} MB; npm run zoo -- gc removes what was made of it`);
    }
  },
};
