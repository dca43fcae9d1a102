import { defineCommand } from './command.ts';
import { expectEnd } from './options.ts';

/** Removes files that nothing refers to. */
export const gc = defineCommand({
  usage: '',
  details: 'No server may use the folder meanwhile: nothing refers yet to what it is writing.',
  options: {},
  run: async ({ positionals }, { terminal, config: readConfig }) => {
    expectEnd(positionals);
    const config = await readConfig();
    const [{ readInstalledModels }, { collectGarbage }, { lockFolder }, { makeFolder }, { join }, { quantizationKey }] =
      await Promise.all([
        import('./installed-models.ts'),
        import('../acquire/pull/removal.ts'),
        import('../common/folder-lock.ts'),
        import('../common/durable-files.ts'),
        import('node:path'),
        import('../quantizing/quantized-models.ts'),
      ]);
    const { listing, conversions } = await readInstalledModels(config);
    const jobs = join(config.dataDir, 'jobs');
    await makeFolder(jobs);
    const unlock = await lockFolder(jobs);
    try {
      const models = listing.models.flatMap(({ versions }) => versions);
      const keys = models.map((model) => conversions.key(model));
      const { removed, bytes } = await collectGarbage(
        config.dataDir,
        new Set(keys),
        new Set(models.map(quantizationKey)),
      );
      for (const path of removed) terminal.line(`removed ${path}`);
      terminal.line(`${(bytes / 1e6).toFixed(1)} MB freed`);
      terminal.document({ removed, bytes });
    } finally {
      await unlock();
    }
    return undefined;
  },
});
