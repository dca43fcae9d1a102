import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import type { ManifestDocument } from '../registry/manifest.ts';
import { type RegisteredModel, servingTarget } from '../registry/registry.ts';
import { defineCommand } from './command.ts';
import { formatTable } from './format-table.ts';
import { readInstalledModels } from './installed-models.ts';
import { expectEnd } from './options.ts';

/** Lists the models. */
export const list = defineCommand({
  usage: '',
  options: {},
  run: async ({ positionals }, { terminal, config: readConfig }) => {
    expectEnd(positionals);
    const config = await readConfig();
    const { listing } = await readInstalledModels(config);
    const { models, absent, problems } = listing;
    const rows = [
      ...models.map((model) => ({ file: model.versions.at(-1)?.manifest.file, state: stateOf(config, model), model })),
      ...absent.map(({ file }) => ({ file, state: 'absent' as const, model: undefined })),
    ];
    const cells = rows.map(({ file, state }) => row(file, state === 'absent' ? '-' : state));
    terminal.line(formatTable(['model', 'here', 'top-1', 'params', 'MB', 'px', 'licence'], cells));
    terminal.line('\n-      can be pulled: npx menagerie pull <model>');
    terminal.line('top-1  accuracy in percent on the data set that the card of the model names');
    const taught = models.filter(({ origin }) => origin === 'store');
    if (taught.length > 0) {
      terminal.line(`\n${formatTable(['fine-tuned', 'versions', 'aliases', 'serves'], taught.map(versionsRow))}`);
    }
    for (const { where, reason } of problems) terminal.line(`broken: ${where}: ${reason}`);
    terminal.document({
      models: rows.map(({ file, state, model }) => documentOf(file, state, model)),
      problems,
    });
    return undefined;
  },
});

type State = 'embedded' | 'pulled' | 'imported' | 'backbone' | 'trained' | 'absent';

function stateOf({ dataDir, zooDir }: Config, { name, versions, origin }: RegisteredModel): State {
  if (origin === 'store') return 'trained';
  if (versions.at(-1)?.manifest.file.num_classes === 0) return 'backbone';
  if (!existsSync(join(dataDir, 'zoo', name))) return 'embedded';
  return existsSync(join(zooDir, name)) ? 'pulled' : 'imported';
}

function documentOf(file: ManifestDocument | undefined, state: State, model: RegisteredModel | undefined) {
  const [best] = file?.accuracy ?? [];
  return {
    model: file?.name ?? model?.name,
    state,
    title: file?.title,
    versions: model?.versions.map(({ version }) => version) ?? [],
    aliases: model?.aliases ?? {},
    top1: best?.top1 ?? null,
    parameters: file?.parameters,
    size_bytes: file?.weights.size_bytes,
    license: file?.license,
  };
}

/** Versions and aliases of a fine-tuned model, and what its bare name means. */
function versionsRow(model: RegisteredModel): string[] {
  const { name, versions, aliases } = model;
  const target = servingTarget(model);
  return [
    name,
    versions.map(({ version }) => version).join(' '),
    Object.entries(aliases)
      .map(([alias, version]) => `${alias}=${version}`)
      .join(' '),
    `${name}@${Object.hasOwn(aliases, target) ? aliases[target] : target}`,
  ];
}

function row(file: ManifestDocument | undefined, state: string): string[] {
  if (file === undefined) return [];
  const [best] = file.accuracy;
  const [, height] = file.input_size;
  return [
    file.name,
    state,
    best === undefined ? '' : best.top1.toFixed(1),
    `${(file.parameters / 1e6).toFixed(1)} M`,
    (file.weights.size_bytes / 1e6).toFixed(1),
    String(height),
    file.license,
  ];
}
