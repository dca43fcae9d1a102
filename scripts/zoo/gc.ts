import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { collectGarbage } from '../../src/acquire/pull/removal.ts';
import { lockFolder } from '../../src/common/folder-lock.ts';
import { expectEnd, parseArguments } from '../command-line.ts';
import type { Command } from './command.ts';
import { openZoo } from './open-zoo.ts';

/** Removes files that nothing refers to. */
export const collect: Command = {
  usage: 'gc',
  summary: 'Removes conversions, features and temporary files of models that no longer exist.',
  run: async (args) => {
    expectEnd(parseArguments(args, {}).positionals);
    const { config, listing, conversions } = await openZoo();
    // No server may run meanwhile: nothing refers yet to what a conversion or a training is writing.
    const jobs = join(config.dataDir, 'jobs');
    await mkdir(jobs, { recursive: true });
    const unlock = await lockFolder(jobs);
    try {
      const models = listing.models.flatMap(({ versions }) => versions);
      const keys = await Promise.all(models.map((model) => conversions.key(model)));
      const { removed, bytes } = await collectGarbage(config.dataDir, new Set(keys));
      for (const path of removed) console.log(`removed ${path}`);
      console.log(`${(bytes / 1e6).toFixed(1)} MB freed`);
    } finally {
      await unlock();
    }
  },
};
