import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import type { ManifestDocument } from '../registry/manifest.ts';
import { type AbsentModel, type RegisteredModel, SERVING_ALIAS, servingTarget } from '../registry/registry.ts';

/**
 * Where a model comes from: `embedded` in the package; `pulled` from its publisher, or only its `backbone`; `imported`;
 * `trained` here; `absent` ones can be pulled.
 */
export type ModelState = 'embedded' | 'pulled' | 'backbone' | 'imported' | 'trained' | 'absent';

/** A model of the zoo. */
export interface ModelInfo {
  readonly name: string;
  readonly title: string;
  readonly state: ModelState;
  /** The versions that can be used, ascending; 1 alone for models that were not trained here, none for absent ones. */
  readonly versions: readonly number[];
  /** The version that each alias points to. `production` is the version that the bare name means. */
  readonly aliases: Readonly<Record<string, number>>;
  /** Number of classes; 0 for a backbone. */
  readonly classes: number;
  readonly parameters: number;
  /** Bytes of the weights. */
  readonly sizeBytes: number;
  /** Side of the input in pixels: its height. */
  readonly inputSize: number;
  /** Top-1 accuracy in percent on the data set that the card names, if it is known. */
  readonly top1?: number;
  readonly license: string;
  /** Versions and aliases that cannot be used, and why. */
  readonly damaged: Readonly<Record<string, string>>;
}

/** All models: those that are here by name, then those that can be pulled. Damaged ones without a version are left out. */
export function modelInfos(
  { models, absent }: { readonly models: readonly RegisteredModel[]; readonly absent: readonly AbsentModel[] },
  config: Pick<Config, 'dataDir' | 'zooDir'>,
): ModelInfo[] {
  const here = models.flatMap((model) => {
    const file = model.versions.at(-1)?.manifest.file;
    return file === undefined ? [] : [infoOf(file, stateOf(config, model), model)];
  });
  return [...here, ...absent.map(({ file }) => infoOf(file, 'absent'))];
}

function infoOf(file: ManifestDocument, state: ModelState, model?: RegisteredModel): ModelInfo {
  const [best] = file.accuracy;
  return {
    name: file.name,
    title: file.title,
    state,
    versions: model?.versions.map(({ version }) => version) ?? [],
    aliases: model === undefined ? {} : aliasesOf(model),
    classes: file.num_classes,
    parameters: file.parameters,
    sizeBytes: file.weights.size_bytes,
    inputSize: file.input_size[1],
    ...(best !== undefined && { top1: best.top1 }),
    license: file.license,
    damaged: model?.damaged ?? {},
  };
}

/** The aliases, and what the bare name means. */
function aliasesOf(model: RegisteredModel): Record<string, number> {
  if (model.origin === 'zoo') return {};
  const target = servingTarget(model);
  return { ...(target !== SERVING_ALIAS && { [SERVING_ALIAS]: Number(target) }), ...model.aliases };
}

function stateOf({ dataDir, zooDir }: Pick<Config, 'dataDir' | 'zooDir'>, model: RegisteredModel): ModelState {
  const { name, versions, origin } = model;
  if (origin === 'store') return 'trained';
  if (versions.at(-1)?.manifest.file.num_classes === 0) return 'backbone';
  if (!existsSync(join(dataDir, 'zoo', name))) return 'embedded';
  return existsSync(join(zooDir, name)) ? 'pulled' : 'imported';
}
