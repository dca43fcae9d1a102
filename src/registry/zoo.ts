import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import { type Label, parseLabels, parseManifest } from './manifest.ts';
import type { ModelVersion } from './registry.ts';

/** A folder of the zoo that is not served, and why. */
export interface ZooProblem {
  readonly folder: string;
  readonly reason: string;
}

/**
 * Reads the seed of the zoo: `<name>/manifest.json` beside its weights, and `labels/*.json`. A broken manifest costs its
 * own model alone.
 */
export async function readZoo(zooDir: string): Promise<{ models: ModelVersion[]; problems: ZooProblem[] }> {
  const labels = await readAllLabels(join(zooDir, 'labels'));
  const models: ModelVersion[] = [];
  const problems: ZooProblem[] = [];
  for (const folder of await foldersIn(zooDir)) {
    if (folder === 'labels') continue;
    try {
      models.push(await readModel(zooDir, folder, labels));
    } catch (thrown) {
      problems.push({ folder, reason: messageOf(thrown) });
    }
  }
  return { models, problems };
}

async function readModel(
  zooDir: string,
  folder: string,
  labels: ReadonlyMap<string, readonly Label[]>,
): Promise<ModelVersion> {
  const text = await readFile(join(zooDir, folder, 'manifest.json'), 'utf8');
  const manifest = parseManifest(text, (name) => {
    const found = labels.get(name);
    if (found === undefined) throw new Error(`labels: there is no ${name} among ${[...labels.keys()].join(', ')}`);
    return found;
  });
  if (manifest.name !== folder) throw new Error(`name: "${manifest.name}", but its folder is called "${folder}"`);
  return { name: folder, version: 1, manifest, weightsPath: join(zooDir, folder, manifest.file.weights.file) };
}

async function readAllLabels(folder: string): Promise<Map<string, readonly Label[]>> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.json'));
  const read = async (file: string) =>
    [file.slice(0, -'.json'.length), parseLabels(await readFile(join(folder, file), 'utf8'))] as const;
  return new Map(await Promise.all(files.map(read)));
}

async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}
