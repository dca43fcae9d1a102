import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, readIfThere } from '../common/durable-files.ts';
import { messageWithoutPath } from '../common/storage-error.ts';
import { ConceptGraph } from './concept-graph.ts';
import { type LabelsFile, parseLabels, parseLabelsFile } from './labels.ts';
import {
  describeIssues,
  type Label,
  type ManifestDocument,
  MODEL_NAME,
  parseManifestDocument,
  type WeightsLock,
  weightsLockSchema,
} from './manifest.ts';
import type { AbsentModel, ModelVersion } from './registry.ts';
import { resolveManifest } from './resolve-manifest.ts';
import { withFittedDetector } from './zoo-novelty.ts';

/** Describes a model, in its folder. */
export const MANIFEST_FILE = 'manifest.json';
/** Digest and size of a pulled file, beside it. */
export const WEIGHTS_LOCK_FILE = 'weights.lock.json';

/** A folder of the zoo that cannot be served, and why. */
export interface ZooProblem {
  readonly folder: string;
  readonly reason: string;
}

/** The contents of the zoo. */
export interface ZooListing {
  readonly models: ModelVersion[];
  /** Models that can be pulled. */
  readonly absent: AbsentModel[];
  readonly problems: ZooProblem[];
}

/**
 * Reads the zoo, which has a folder for each model. A broken manifest affects its own model alone.
 * @param seedDir manifests, `labels/*.json` and the small embedded models; read-only
 * @param pulledDir pulled and imported models: their weights, and their manifests where the seed has none
 */
export async function readZoo(seedDir: string, pulledDir?: string): Promise<ZooListing> {
  const labels = await readNamedLabels(seedDir);
  const listing: ZooListing = { models: [], absent: [], problems: [] };
  const names = new Set((await Promise.all(existing([seedDir, pulledDir]).map(modelsIn))).flat());
  for (const name of [...names].sort()) {
    try {
      const model = await readZooModel(name, labels, seedDir, pulledDir);
      if ('version' in model) listing.models.push(model);
      else listing.absent.push(model);
    } catch (thrown) {
      listing.problems.push({ folder: name, reason: messageWithoutPath(thrown) });
    }
  }
  return listing;
}

/** Reads one model of the zoo. @throws Error that says what is broken */
export async function readZooModel(
  name: string,
  labels: NamedLabels,
  seedDir: string,
  pulledDir?: string,
): Promise<ModelVersion | AbsentModel> {
  const document = await readZooManifest(name, seedDir, pulledDir);
  const { file, source } = document.weights;
  for (const folder of existing([pulledDir, seedDir])) {
    const weightsPath = join(folder, name, file);
    if (!(await isFile(weightsPath))) continue;
    const manifest = resolveManifest(document, labels, await readLock(join(folder, name, WEIGHTS_LOCK_FILE)));
    return await withFittedDetector({ name, version: 1, manifest, files: async () => ({ weightsPath }) }, pulledDir);
  }
  if (source === undefined) throw new Error(`weights.file: there is no ${file} beside the manifest`);
  return { name, file: document };
}

/** Reads the manifest that a pulled or imported model brought, else that of the seed. */
export async function readZooManifest(name: string, seedDir: string, pulledDir?: string): Promise<ManifestDocument> {
  const own = pulledDir === undefined ? undefined : await readIfThere(join(pulledDir, name, MANIFEST_FILE));
  const text = own ?? (await readIfThere(join(seedDir, name, MANIFEST_FILE)));
  if (text === undefined) throw new Error(`there is no ${MANIFEST_FILE}`);
  const document = parseManifestDocument(text);
  if (document.name !== name) throw new Error(`name: "${document.name}", but its folder is called "${name}"`);
  return document;
}

/** Whether the zoo has a folder for a model, broken or not. */
export async function isInZoo(name: string, seedDir: string, pulledDir?: string): Promise<boolean> {
  const names = await Promise.all(existing([seedDir, pulledDir]).map(modelsIn));
  return names.some((each) => each.includes(name));
}

function existing(folders: readonly (string | undefined)[]): string[] {
  return folders.filter((folder) => folder !== undefined);
}

async function readLock(path: string): Promise<WeightsLock | undefined> {
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  const parsed = weightsLockSchema.safeParse(JSON.parse(text));
  if (!parsed.success) throw new Error(`${WEIGHTS_LOCK_FILE}: ${describeIssues(parsed.error)}`);
  return parsed.data;
}

/** Gives the classes of `zoo/labels/<name>.json`. @throws Error when there is no such file or it is broken */
export type NamedLabels = (name: string) => readonly Label[];

/** Reads `labels/*.json` of the zoo. Each file is parsed on first use, so a broken one affects its models alone. */
export async function readNamedLabels(zooDir: string): Promise<NamedLabels> {
  const texts = await readLabelTexts(zooDir);
  const parsed = new Map<string, readonly Label[]>();
  return (name) => {
    const text = texts.get(name);
    if (text === undefined) throw new Error(`labels: there is no ${name} among ${[...texts.keys()].join(', ')}`);
    const labels = parsed.get(name) ?? parseLabels(text);
    parsed.set(name, labels);
    return labels;
  };
}

/**
 * Reads the concepts of `labels/*.json` and what lies above them.
 * @param onProblem called for a file that is broken, whose concepts are left out
 */
export async function readConceptGraph(
  zooDir: string,
  onProblem: (file: string, thrown: unknown) => void,
): Promise<ConceptGraph> {
  return (await conceptGraphReader(zooDir, onProblem))();
}

/**
 * As `readConceptGraph`, for those who may not need the graph.
 * @returns makes the graph of the files' texts, in 50 ms
 */
export async function conceptGraphReader(
  zooDir: string,
  onProblem: (file: string, thrown: unknown) => void,
): Promise<() => ConceptGraph> {
  const texts = await readLabelTexts(zooDir);
  return () =>
    new ConceptGraph([...texts].flatMap(([name, text]) => conceptsIn(text, `labels/${name}.json`, onProblem)));
}

function conceptsIn(
  text: string,
  file: string,
  onProblem: (file: string, thrown: unknown) => void,
): LabelsFile['concepts'] {
  try {
    const { concepts } = parseLabelsFile(text);
    // Throws when concepts lie above themselves.
    new ConceptGraph(concepts);
    return concepts;
  } catch (thrown) {
    onProblem(file, thrown);
    return [];
  }
}

/** The texts of `labels/*.json`, by name. */
async function readLabelTexts(zooDir: string): Promise<ReadonlyMap<string, string>> {
  const folder = join(zooDir, 'labels');
  const files = (await readdir(folder)).filter((file) => file.endsWith('.json')).sort();
  const read = async (file: string) =>
    [file.slice(0, -'.json'.length), await readFile(join(folder, file), 'utf8')] as const;
  return new Map(await Promise.all(files.map(read)));
}

/** Names of the models' folders; none when the folder does not exist. Hidden folders are unfinished pulls. */
async function modelsIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() && entry.name !== 'labels' && MODEL_NAME.test(entry.name))
      .map(({ name }) => name);
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return [];
    throw thrown;
  }
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}
