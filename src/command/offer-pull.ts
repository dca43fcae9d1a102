import type { ModelPuller } from '../acquire/pull/model-puller.ts';
import { AppError } from '../common/errors.ts';
import type { OpenedZoo } from '../library/open-zoo.ts';
import type { Registry } from '../registry/registry.ts';
import type { CommandContext } from './command.ts';
import { flag } from './options.ts';
import { megabytes, PullDisplay } from './pull-display.ts';

/** The option of commands that pull a model which is named but not here. */
export const YES_OPTION = { yes: flag('pull a model of the zoo that is not here, without asking') };

/** What an offer needs. */
interface Offer {
  readonly registry: Pick<Registry, 'findAbsent'>;
  readonly pull: (name: string, options: Parameters<ModelPuller['pull']>[1]) => Promise<unknown>;
  /** Pull without asking. */
  readonly yes: boolean;
  /** Only what a fine-tune needs, where the manifest says what that is. */
  readonly asBackbone?: boolean;
}

/**
 * Pulls the model that a reference means, when it belongs to the zoo and is not here, after a yes on the terminal. Does
 * nothing for other references.
 * @throws AppError `model_not_pulled` that says what to type, when nobody can be asked or the answer is no
 */
export async function offerPull(
  reference: string,
  { registry, pull, yes, asBackbone = false }: Offer,
  { terminal, signal }: Pick<CommandContext, 'terminal' | 'signal'>,
): Promise<void> {
  const absent = registry.findAbsent(reference);
  if (absent === undefined) return;
  const { name, file } = absent;
  const backbone = asBackbone ? file.weights.backbone : undefined;
  const size = `${Math.ceil(megabytes((backbone ?? file.weights).size_bytes))} MB`;
  if (!yes && !terminal.canAsk) {
    const command = `npx menagerie pull ${name}${backbone === undefined ? '' : ' --backbone-only'}`;
    const detail = `${name} has not been pulled: add --yes to pull it now (${size}), or type ${command}`;
    throw new AppError('model_not_pulled', detail);
  }
  if (!yes && !(await terminal.confirm(`${name} has not been pulled. Pull it now (${size})?`, signal))) {
    throw new AppError('model_not_pulled', `${name} was not pulled`);
  }
  const display = new PullDisplay(name);
  const onProgress = (progress: Parameters<PullDisplay['update']>[0]) => display.update(progress);
  await pull(name, { backboneOnly: backbone !== undefined, onProgress, signal }).finally(() => display.end());
  terminal.note(`${name}: pulled`);
}

/** Offers to pull what a command of a zoo names; `AUTO_PULL` is a yes. @throws AppError as `offerPull` */
export async function offerPullInZoo(
  zoo: OpenedZoo,
  reference: string | undefined,
  { yes, asBackbone = false }: Pick<Offer, 'yes' | 'asBackbone'>,
  context: CommandContext,
): Promise<void> {
  const { autoPull, defaultModel, defaultBackbone } = await context.config();
  const pull: Offer['pull'] = (name, { backboneOnly = false, onProgress, signal }) =>
    zoo.pull(name, { backboneOnly, onProgress, signal });
  const offer = { registry: zoo.services.registry, pull, yes: yes || autoPull, asBackbone };
  await offerPull(reference ?? (asBackbone ? defaultBackbone : defaultModel), offer, context);
}
