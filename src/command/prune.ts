import { rm, rmdir } from 'node:fs/promises';
import { defineCommand } from './command.ts';
import { expectEnd, flag } from './options.ts';

/** Makes an installation small. */
export const prune = defineCommand({
  usage: '',
  details:
    'Removes what an installation does not need on this machine: libraries of ONNX Runtime for other systems, and\n' +
    'sources, types, maps and browser builds of TensorFlow.js, Swagger UI and others. It is for images of\n' +
    'containers; npm ci brings everything back.',
  options: { 'dry-run': flag('remove nothing: say how much would be removed') },
  run: async ({ positionals, values: { 'dry-run': dryRun } }, { terminal }) => {
    expectEnd(positionals);
    const { findPrunableFiles, foldersAbove } = await import('./prunable-files.ts');
    const files = await findPrunableFiles();
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    if (!dryRun) {
      await Promise.all(files.map(({ path }) => rm(path, { force: true })));
      const folders = [...new Set(files.flatMap(({ path }) => foldersAbove(path)))];
      // The deepest first. Those that are not empty stay.
      for (const folder of folders.sort((a, b) => b.length - a.length)) await rmdir(folder).catch(() => undefined);
    }
    terminal.line(`${files.length} files, ${(bytes / 1e6).toFixed(1)} MB ${dryRun ? 'would be removed' : 'removed'}`);
    terminal.document({ files: files.length, bytes });
    return undefined;
  },
});
