import type { ModelInfo } from '../library/model-info.ts';
import { defineCommand } from './command.ts';
import { formatTable } from './format-table.ts';
import { expectEnd } from './options.ts';

/** Lists the models. */
export const list = defineCommand({
  usage: '',
  options: {},
  run: async ({ positionals }, { terminal, config: readConfig }) => {
    expectEnd(positionals);
    const config = await readConfig();
    const [{ readInstalledModels }, { modelInfos }] = await Promise.all([
      import('./installed-models.ts'),
      import('../library/model-info.ts'),
    ]);
    const { listing } = await readInstalledModels(config);
    const models = modelInfos(listing, config);
    terminal.line(formatTable(['model', 'here', 'top-1', 'params', 'MB', 'px', 'licence'], models.map(row)));
    terminal.line('\n-      can be pulled: npx menagerie pull <model>');
    terminal.line('top-1  accuracy in percent on the data set that the card of the model names');
    const trained = models.filter(({ state }) => state === 'trained');
    if (trained.length > 0) {
      terminal.line(`\n${formatTable(['fine-tuned', 'versions', 'aliases'], trained.map(versionsRow))}`);
    }
    for (const { where, reason } of listing.problems) terminal.line(`broken: ${where}: ${reason}`);
    terminal.document({ models, problems: listing.problems });
    return undefined;
  },
});

function row({ name, state, top1, parameters, sizeBytes, inputSize, license }: ModelInfo): string[] {
  return [
    name,
    state === 'absent' ? '-' : state,
    top1 === undefined ? '' : top1.toFixed(1),
    `${(parameters / 1e6).toFixed(1)} M`,
    (sizeBytes / 1e6).toFixed(1),
    String(inputSize),
    license,
  ];
}

function versionsRow({ name, versions, aliases }: ModelInfo): string[] {
  const pointers = Object.entries(aliases).map(([alias, version]) => `${alias}=${version}`);
  return [name, versions.join(' '), pointers.join(' ')];
}
