import type { ModelFacts, ModelList, ModelSummary } from '../../api/schema.ts';
import { type PullOptions, pullControl } from '../../components/pull-control.ts';
import { type Child, h } from '../../dom.ts';
import { bytes } from '../../format.ts';
import { accuracyOf, knowledgeOf } from '../../model-words.ts';

/** The largest download that is suggested, in bytes: a minute and a half at 10 Mbit/s. */
const MAX_SUGGESTED_BYTES = 105_000_000;
/** Points of accuracy by which a suggested model is better than the chosen ones; less is not worth a download. */
const WORTH_POINTS = 5;

export interface KnowledgeOptions extends Omit<PullOptions, 'onPulled'> {
  /** Called with the model that the user wants instead, when it is here. */
  readonly onUse: (model: string) => void;
}

/** What the chosen models know and how often they are right, and which other model would be better. */
export function knowledge(list: ModelList, chosen: readonly string[], options: KnowledgeOptions): Child {
  const models = list.models.filter(({ id }) => chosen.some((each) => each.split('@')[0] === id));
  const here = better(models, list.models);
  const away = better(
    here === undefined ? models : [here],
    list.not_pulled.filter(({ recommended, size_bytes: size }) => recommended && size <= MAX_SUGGESTED_BYTES),
  );
  return h(
    'ul',
    { class: 'knowledge small' },
    models.map((model) =>
      h('li', {}, h('strong', {}, model.title), h('span', { class: 'muted' }, `${knowledgeOf(model)}.`)),
    ),
    here && suggestion('A better one', here, useButton(here, options)),
    away &&
      suggestion('A larger one', away, pullControl(away.id, { ...options, onPulled: () => options.onUse(away.id) })),
  );
}

/** The most accurate of the others, where it knows as much and is right clearly more often. */
function better<T extends ModelFacts>(models: readonly ModelSummary[], others: readonly T[]): T | undefined {
  const best = Math.max(...models.map((model) => accuracyOf(model) ?? 100));
  const classes = Math.max(...models.map((model) => model.num_classes));
  return others
    .filter((each) => each.num_classes >= classes && (accuracyOf(each) ?? 0) > best + WORTH_POINTS)
    .toSorted((a, b) => (accuracyOf(b) ?? 0) - (accuracyOf(a) ?? 0))[0];
}

function suggestion(words: string, model: ModelFacts, action: HTMLElement): HTMLElement {
  return h(
    'li',
    {},
    h('strong', {}, `${words}: ${model.title}`),
    h('span', { class: 'muted' }, `${knowledgeOf(model)}, ${bytes(model.size_bytes)}.`),
    action,
  );
}

function useButton({ id, title }: ModelFacts, { onUse }: KnowledgeOptions): HTMLElement {
  return h(
    'button',
    { type: 'button', class: 'compact', 'aria-label': `Use it: ${title}`, onclick: () => onUse(id) },
    'Use it',
  );
}
