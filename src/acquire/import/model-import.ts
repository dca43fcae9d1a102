import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errnoOf, syncToDisk, UNFINISHED, writeFileDurably } from '../../common/durable-files.ts';
import { messageOf } from '../../common/errors.ts';
import { digestFile } from '../../common/file-digest.ts';
import { describeIssues, type ManifestDocument, MODEL_NAME, manifestSchema } from '../../registry/manifest.ts';
import type { RepositoryListing } from '../../registry/repository.ts';
import { MANIFEST_FILE, type NamedLabels } from '../../registry/zoo.ts';
import { exportedFacts } from './exported-facts.ts';
import { findModel } from './find-model.ts';
import { type GivenFacts, IMPORTERS } from './importers.ts';
import { type ManifestLabels, readLabels } from './read-labels.ts';

/** What is to be imported, and what is known of it. */
export interface ImportRequest {
  /** A file, a folder or an archive. */
  readonly path: string;
  /** Where in the folder or archive the model is. */
  readonly inside?: string | undefined;
  readonly name: string;
  readonly title?: string | undefined;
  readonly license?: string | undefined;
  /** A name of the zoo's labels, or a file. */
  readonly labels?: string | undefined;
  readonly given: GivenFacts;
}

/** The zoo that a model is to join. */
export interface ImportPlace {
  /** Where imported models go. */
  readonly pulledDir: string;
  readonly listing: RepositoryListing;
  readonly namedLabels: NamedLabels;
}

/** A model that has been read, and waits to be taken in. */
export interface PreparedImport {
  readonly manifest: ManifestDocument;
  /** Fields of the manifest that nobody gave, and that the file does not say. */
  readonly guessed: ReadonlySet<string>;
  /** Takes it in: its folder appears whole. @returns the folder. @throws Error when the name was taken meanwhile */
  commit(): Promise<string>;
  /** Forgets it. Does nothing after `commit`. */
  discard(): Promise<void>;
}

/** Files beside a model that hold its labels, as the exports of this project and of others call them. */
const LABEL_FILES = ['labels.json', 'labels.txt', 'classes.txt', 'class_names.txt'];

/**
 * Reads a model that was made elsewhere and writes it down in a folder that nobody sees yet.
 * @throws ConversionError that names the tensor or layer which cannot be read; Error that names the field which is wrong
 */
export async function prepareImport(request: ImportRequest, place: ImportPlace): Promise<PreparedImport> {
  expectFree(request.name, place.listing);
  const staging = join(place.pulledDir, `.${request.name}.${randomUUID()}${UNFINISHED}`);
  const discard = () => rm(staging, { recursive: true, force: true });
  try {
    const folder = join(staging, request.name);
    await mkdir(folder, { recursive: true });
    const { manifest, guessed } = await readInto(folder, join(staging, 'unpacked'), request, place);
    await writeFileDurably(join(folder, MANIFEST_FILE), `${JSON.stringify(manifest, undefined, 2)}\n`);
    const commit = async () => {
      const target = join(place.pulledDir, request.name);
      await renameNew(folder, target);
      await syncToDisk(place.pulledDir);
      await discard();
      return target;
    };
    return { manifest, guessed, commit, discard };
  } catch (error) {
    await discard();
    throw error;
  }
}

function expectFree(name: string, { models, absent, problems }: RepositoryListing): void {
  if (!MODEL_NAME.test(name)) {
    throw new Error(
      `name: "${name}" must be of lower-case letters, digits, _ and -, with one dot at most, such as mine.v1`,
    );
  }
  const taken = [...models, ...absent].some((model) => model.name === name);
  if (taken || problems.some(({ where }) => where === name || where.startsWith(`${name}/`))) {
    throw new Error(`name: there is a model "${name}" already; take another name, or remove it first`);
  }
}

async function readInto(folder: string, work: string, request: ImportRequest, place: ImportPlace) {
  const { name, title = name, license = 'not stated' } = request;
  await mkdir(work);
  const model = await findModel(request.path, request.inside, work);
  const given = { ...(await exportedFacts(dirname(model.path))), ...request.given };
  const { file, format, run } = IMPORTERS[model.kind];
  const seeds = [
    ...place.listing.models.flatMap(({ versions }) => versions.map(({ manifest }) => manifest.file)),
    ...place.listing.absent.map((absent) => absent.file),
  ];
  const target = join(folder, file);
  // So many classes may tell which of several outputs of a model is meant.
  const wanted = request.labels === undefined ? undefined : (await readLabels(request.labels, place.namedLabels)).count;
  const known = wanted === undefined ? given : { ...given, numClasses: wanted };
  const { network, defaults, guessed } = await run(model.path, known, seeds, target).catch((cause: unknown) => {
    throw new Error(`${basename(model.path)}: ${messageOf(cause)}`, { cause });
  });
  const { architecture, inputSize, numClasses, featureSize, parameters } = network;
  const labels = await labelsFor(numClasses, request.labels, dirname(model.path), place.namedLabels);
  const { sha256, size } = await digestFile(target);
  const { architecture: _, ...preprocessing } = given;
  const parsed = manifestSchema.safeParse({
    schema: 1,
    name,
    title,
    architecture,
    weights: { file, format, sha256, size_bytes: size },
    ...defaults,
    ...preprocessing,
    input_size: [3, ...inputSize],
    num_classes: numClasses,
    num_features: featureSize,
    parameters,
    labels: labels.labels,
    license,
    provenance: { imported_from: basename(request.path), source_sha256: (await digestFile(model.path)).sha256 },
  });
  if (!parsed.success) throw new Error(describeIssues(parsed.error));
  const open = [...Object.keys(defaults), ...guessed, ...(labels.guessed ? ['labels'] : [])];
  return { manifest: parsed.data, guessed: new Set(open.filter((field) => !(field in preprocessing))) };
}

/** The labels that were given; else those beside the model, or ImageNet's for a thousand classes, or mere numbers. */
async function labelsFor(
  classes: number,
  given: string | undefined,
  folder: string,
  named: NamedLabels,
): Promise<{ labels: ManifestLabels; guessed: boolean }> {
  if (given !== undefined) {
    const { labels, count } = await readLabels(given, named);
    if (count === classes) return { labels, guessed: false };
    throw new Error(`labels: ${given} has ${count} labels, but the model tells ${classes} classes apart`);
  }
  for (const file of LABEL_FILES) {
    const path = join(folder, file);
    if ((await stat(path).catch(() => undefined)) === undefined) continue;
    const { labels, count } = await readLabels(path, named);
    if (count === classes) return { labels, guessed: true };
  }
  if (classes === 1000) return { labels: 'imagenet-1k', guessed: true };
  return { labels: Array.from({ length: classes }, (_, index) => ({ label: `class ${index}` })), guessed: true };
}

/** A folder of a model is never empty, so none is replaced. */
async function renameNew(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (thrown) {
    if (errnoOf(thrown) !== 'ENOTEMPTY' && errnoOf(thrown) !== 'EEXIST') throw thrown;
    throw new Error(`name: ${to} is there already; take another name`, { cause: thrown });
  }
}
