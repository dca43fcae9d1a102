import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { collectGarbage } from '../../src/acquire/pull/removal.ts';
import { lockFolder } from '../../src/common/folder-lock.ts';
import type { Command } from './command.ts';
import { openZoo } from './open-zoo.ts';

/** Clears away what nothing refers to. */
export const collect: Command = {
  usage: 'gc',
  summary: 'removes conversions, features and leftovers of models that are no more',
  run: async () => {
    const { config, listing, conversions } = await openZoo();
    // Nobody may be converting or training meanwhile: what they write is not referred to yet.
    const jobs = join(config.dataDir, 'jobs');
    await mkdir(jobs, { recursive: true });
    const unlock = await lockFolder(jobs);
    try {
      const models = listing.models.flatMap(({ versions }) => versions);
      const keys = await Promise.all(models.map((model) => conversions.key(model)));
      const { removed, bytes } = await collectGarbage(config.dataDir, new Set(keys));
      for (const path of removed) console.log(`removed ${path}`);
      console.log(`${(bytes / 1e6).toFixed(1)} MB are free again`);
    } finally {
      await unlock();
    }
  },
};
