import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { removePulled } from '../../src/acquire/pull/removal.ts';
import { parseArguments, UsageError } from '../command-line.ts';
import type { Command } from './command.ts';
import { openZoo } from './open-zoo.ts';

/** Removes pulled and imported models. */
export const removeModels: Command = {
  usage: 'remove <model> ...',
  summary: 'Removes the weights of pulled models, and imported models.',
  run: async (args) => {
    const { positionals } = parseArguments(args, {});
    if (positionals.length === 0) throw new UsageError('the model is missing; npm run zoo -- list shows all models');
    const { config, pulledDir } = await openZoo();
    for (const name of positionals) {
      const bytes = await removePulled(pulledDir, name);
      if (bytes === undefined) {
        const embedded = existsSync(join(config.zooDir, name, 'manifest.json'));
        throw new Error(
          embedded ? `${name} is embedded and cannot be removed` : `there is no pulled or imported model ${name}`,
        );
      }
      console.log(`${name}: removed, ${(bytes / 1e6).toFixed(1)} MB; npm run zoo -- gc removes its conversions`);
    }
  },
};
