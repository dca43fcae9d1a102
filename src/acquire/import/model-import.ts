import { mkdir, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errnoOf, syncToDisk, writeFileDurably } from '../../common/durable-files.ts';
import { messageOf } from '../../common/errors.ts';
import { digestFile } from '../../common/file-digest.ts';
import { createStagingFolder, removeAbandonedStaging, STAGING_DIR } from '../../common/staging-folder.ts';
import { writeNovelty } from '../../convert/transfer/novelty.ts';
import { type ManifestDocument, MODEL_NAME } from '../../registry/manifest.ts';
import type { RepositoryListing } from '../../registry/repository.ts';
import { parseManifest } from '../../registry/resolve-manifest.ts';
import { MANIFEST_FILE, type NamedLabels } from '../../registry/zoo.ts';
import { addDetector } from '../../registry/zoo-novelty.ts';
import { findModel } from './find-model.ts';
import { preprocessingOf } from './found-facts.ts';
import { type GivenFacts, IMPORTERS } from './importers.ts';
import { pictureWarnings } from './picture-warnings.ts';
import { labelsFor, readLabels } from './read-labels.ts';
import { settlePreprocessing } from './settle-preprocessing.ts';
import { readSidecars } from './sidecar-files.ts';

/** A model to import, and what is known about it. */
export interface ImportRequest {
  /** A file, a folder or an archive. */
  readonly path: string;
  /** The path of the model in the folder or archive. */
  readonly inside?: string | undefined;
  readonly name: string;
  readonly title?: string | undefined;
  readonly license?: string | undefined;
  /** A list of labels of the zoo, by name, or a file. */
  readonly labels?: string | undefined;
  readonly given: GivenFacts;
}

/** The zoo that the model is imported into. */
export interface ImportTarget {
  /** The folder of pulled and imported models. */
  readonly pulledDir: string;
  readonly listing: RepositoryListing;
  readonly namedLabels: NamedLabels;
}

/** A model that has been converted and can be added to the zoo. */
export interface PreparedImport {
  readonly manifest: ManifestDocument;
  /** Fields of the manifest that neither the request nor the file determines. */
  readonly guessed: ReadonlySet<string>;
  /** What the user should know about how the file was read, as sentences. */
  readonly notes: readonly string[];
  /** What is probably wrong, as sentences. */
  readonly warnings: readonly string[];
  /**
   * Adds the model: its folder appears whole.
   * @throws Error when the name has been taken meanwhile
   */
  commit(): Promise<void>;
  /** Removes the converted files. Does nothing after `commit`. */
  discard(): Promise<void>;
}

/**
 * Converts a model that was made elsewhere into a hidden folder of the zoo, and removes what killed imports left there.
 *
 * @throws ConversionError that names the tensor or layer which cannot be read; Error that names the wrong field
 */
export async function prepareImport(request: ImportRequest, target: ImportTarget): Promise<PreparedImport> {
  const { pulledDir } = target;
  expectFree(request.name, target.listing);
  const stagingDir = join(pulledDir, STAGING_DIR);
  await removeAbandonedStaging(stagingDir);
  // Locked, so that nothing removes it, however long the user takes to confirm.
  const { folder: staging, remove: discard } = await createStagingFolder(stagingDir);
  try {
    const folder = join(staging, request.name);
    await mkdir(folder);
    const { manifest, guessed, notes, warnings } = await convertInto(
      folder,
      // No model can have this name.
      join(staging, '.unpacked'),
      request,
      target,
    );
    await writeFileDurably(join(folder, MANIFEST_FILE), `${JSON.stringify(manifest, undefined, 2)}\n`);
    const commit = async () => {
      await renameNew(folder, join(pulledDir, request.name));
      await syncToDisk(pulledDir);
      await discard();
    };
    return { manifest, guessed, notes, warnings, commit, discard };
  } catch (error) {
    await discard();
    throw error;
  }
}

function expectFree(name: string, { models, absent, problems }: RepositoryListing): void {
  if (!MODEL_NAME.test(name)) {
    throw new Error(
      `name: "${name}" must consist of lower-case letters, digits, _ and -, with at most one dot, for example mine.v1`,
    );
  }
  const taken = [...models, ...absent].some((model) => model.name === name);
  if (taken || problems.some(({ where }) => where === name || where.startsWith(`${name}/`))) {
    throw new Error(`name: a model "${name}" exists already; choose another name, or remove that model first`);
  }
}

async function convertInto(folder: string, work: string, request: ImportRequest, target: ImportTarget) {
  const { name, given } = request;
  await mkdir(work);
  const model = await findModel(request.path, request.inside, work);
  const beside = await readSidecars(dirname(model.path));
  const { file, format, run } = IMPORTERS[model.kind];
  const seeds = [
    ...target.listing.models.flatMap(({ versions }) => versions.map(({ manifest }) => manifest.file)),
    ...target.listing.absent.map((absent) => absent.file),
  ];
  const weights = join(folder, file);
  // The number of classes can tell which of several outputs holds the scores.
  const wanted =
    request.labels === undefined ? undefined : (await readLabels(request.labels, target.namedLabels)).count;
  const known = wanted === undefined ? given : { ...given, numClasses: wanted };
  const imported = await run(model.path, known, beside.facts, seeds, weights).catch((cause: unknown) => {
    throw new Error(`${basename(model.path)}: ${messageOf(cause)}`, { cause });
  });
  const { network, inside = {}, shown, embedded, detector } = imported;
  const { architecture, inputSize, numClasses, featureSize, parameters } = network;
  const labels = await labelsFor(numClasses, request.labels, embedded, dirname(model.path), target.namedLabels);
  const { sha256, size } = await digestFile(weights);
  if (detector !== undefined) {
    const made = join(work, 'novelty.safetensors');
    await writeNovelty(detector.values, made);
    await addDetector(folder, made, { weights_sha256: sha256, ...detector.figures });
  }
  const { fields, ...settled } = settlePreprocessing({
    defaults: imported.defaults,
    beside: beside.facts,
    inside,
    shown,
    given: preprocessingOf(given),
  });
  const told = { ...beside.facts, ...inside };
  const document = {
    schema: 1,
    name,
    title: request.title ?? told.title ?? name,
    architecture,
    weights: { file, format, sha256, size_bytes: size },
    ...fields,
    input_size: [3, ...inputSize],
    num_classes: numClasses,
    num_features: featureSize,
    parameters,
    labels: labels.labels,
    license: request.license ?? told.license ?? 'not stated',
    ...(told.unknown_threshold !== undefined && { unknown_threshold: told.unknown_threshold }),
    provenance: {
      imported_from: basename(request.path),
      source_sha256: (await digestFile(model.path)).sha256,
      ...imported.provenance,
    },
  };
  // Read as a server reads it, so that nothing is imported that a server refuses.
  const resolved = parseManifest(JSON.stringify(document), target.namedLabels);
  const guessed = [...settled.guessed, ...imported.guessed, ...(labels.guessed ? ['labels'] : [])];
  const isScalingOpen = model.kind === 'onnx' || guessed.includes('mean') || guessed.includes('std');
  return {
    manifest: resolved.file,
    guessed: new Set(guessed.filter((field) => field !== 'input_size' || given.input_size === undefined)),
    notes: [...beside.notes, ...(imported.notes ?? []), ...settled.notes, ...labels.notes],
    warnings: [...settled.warnings, ...(isScalingOpen ? await pictureWarnings(resolved, weights, work) : [])],
  };
}

/** Renaming never replaces a folder that holds files, as that of a model does. */
async function renameNew(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (thrown) {
    if (errnoOf(thrown) !== 'ENOTEMPTY' && errnoOf(thrown) !== 'EEXIST') throw thrown;
    throw new Error(`name: ${to} exists already; choose another name`, { cause: thrown });
  }
}
