import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ManifestDocument } from '../../src/registry/manifest.ts';
import { expectEnd, parseArguments } from '../command-line.ts';
import type { Command } from './command.ts';
import { formatTable } from './format-table.ts';
import { type OpenZoo, openZoo } from './open-zoo.ts';

/** Lists the models. */
export const listModels: Command = {
  usage: 'list',
  summary: 'Lists the models that are here, and those that can be pulled.',
  run: async (args) => {
    expectEnd(parseArguments(args, {}).positionals);
    const zoo = await openZoo();
    const { models, absent, problems } = zoo.listing;
    const here = models.map(({ name, versions }) =>
      row(versions.at(-1)?.manifest.file, stateOf(zoo, name, versions.at(-1)?.manifest.file)),
    );
    const toPull = absent.map(({ file }) => row(file, '-'));
    console.log(formatTable(['model', 'here', 'top-1', 'params', 'MB', 'px', 'licence'], [...here, ...toPull]));
    console.log(
      '\n-      can be pulled: npm run zoo -- pull <model>\ntop-1  accuracy in percent on the data set that ' +
        'the card of the model names',
    );
    for (const { where, reason } of problems) console.log(`broken: ${where}: ${reason}`);
  },
};

function stateOf({ config, pulledDir }: OpenZoo, name: string, file: ManifestDocument | undefined): string {
  if (file?.num_classes === 0) return 'backbone';
  if (existsSync(join(pulledDir, name))) return existsSync(join(config.zooDir, name)) ? 'pulled' : 'imported';
  return existsSync(join(config.zooDir, name)) ? 'embedded' : 'trained';
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
