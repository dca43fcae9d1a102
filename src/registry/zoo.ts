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
  const labels = await readNamedLabels(zooDir);
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

async function readModel(zooDir: string, folder: string, labels: NamedLabels): Promise<ModelVersion> {
  const manifest = parseManifest(await readFile(join(zooDir, folder, 'manifest.json'), 'utf8'), labels);
  if (manifest.name !== folder) throw new Error(`name: "${manifest.name}", but its folder is called "${folder}"`);
  return { name: folder, version: 1, manifest, weightsPath: join(zooDir, folder, manifest.file.weights.file) };
}

/** The classes of `zoo/labels/<name>.json`. @throws Error when there is no such file or it is broken */
export type NamedLabels = (name: string) => readonly Label[];

/** Reads `labels/*.json` of the zoo; each is parsed when a manifest names it, so a broken one costs its models alone. */
export async function readNamedLabels(zooDir: string): Promise<NamedLabels> {
  const folder = join(zooDir, 'labels');
  const files = (await readdir(folder)).filter((file) => file.endsWith('.json')).sort();
  const read = async (file: string) =>
    [file.slice(0, -'.json'.length), await readFile(join(folder, file), 'utf8')] as const;
  const texts = new Map(await Promise.all(files.map(read)));
  const parsed = new Map<string, readonly Label[]>();
  return (name) => {
    const text = texts.get(name);
    if (text === undefined) throw new Error(`labels: there is no ${name} among ${[...texts.keys()].join(', ')}`);
    const labels = parsed.get(name) ?? parseLabels(text);
    parsed.set(name, labels);
    return labels;
  };
}

async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}
