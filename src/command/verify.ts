import { defineCommand } from './command.ts';
import { EXIT_CODES } from './exit-codes.ts';

/** Verifies weights. */
export const verify = defineCommand({
  usage: '[<model> ...]',
  details: 'Verifies all models if none is named. Exits with 1 when one is damaged.',
  options: {},
  run: async ({ positionals }, { terminal, config, signal }) => {
    const { digestFile } = await import('../common/file-digest.ts');
    const { chosenModels, withInstalledModels } = await import('./installed-models.ts');
    const verified: { model: string; ok: boolean; reason?: string }[] = [];
    await withInstalledModels(await config(), async (installed) => {
      for (const { name, version, manifest, files } of chosenModels(installed, positionals)) {
        const { sha256 } = manifest.file.weights;
        const { weightsPath } = await files();
        const found = await digestFile(weightsPath, undefined, signal);
        const model = version === 1 ? name : `${name}@${version}`;
        const ok = found.sha256 === sha256;
        verified.push({ model, ok, ...(!ok && { reason: `SHA-256 is ${found.sha256}, should be ${sha256}` }) });
      }
      if (positionals.length === 0) {
        const { problems } = installed.listing;
        verified.push(...problems.map(({ where, reason }) => ({ model: where, ok: false, reason })));
      }
    });
    for (const { model, ok, reason } of verified) terminal.line(ok ? `ok     ${model}` : `wrong  ${model}: ${reason}`);
    terminal.document({ models: verified });
    const wrong = verified.filter(({ ok }) => !ok).length;
    if (wrong === 0) return EXIT_CODES.done;
    terminal.note(
      `${wrong} ${wrong === 1 ? 'model is' : 'models are'} damaged; npx menagerie pull <model> downloads the weights again`,
    );
    return EXIT_CODES.failed;
  },
});
