import type { Client } from '../../api/client.ts';
import type { ModelCard, ModelSummary } from '../../api/schema.ts';
import { type Child, fill, h } from '../../dom.ts';
import { bytes, count, large } from '../../format.ts';
import { isFineTuned } from '../../model-kinds.ts';
import { hrefOf } from '../../router.ts';
import type { Session } from '../../session.ts';
import { speedView } from './speed.ts';

export interface ModelTileOptions {
  readonly client: Client;
  readonly session: Session;
  readonly signal: AbortSignal;
}

/** A model in the list, with its main facts. */
export function modelTile(
  model: ModelSummary,
  loaded: boolean,
  { client, session, signal }: ModelTileOptions,
): HTMLElement {
  const accuracy = h('dd', {}, '…');
  const size = h('dd', {}, '…');
  const tags = h('div', { class: 'row' }, summaryTags(model, loaded));
  client.call('describeModel', { path: { id: model.id }, signal }).then(
    (card) => {
      fill(accuracy, bestAccuracy(card));
      fill(size, bytes(card.weights.size_bytes));
      fill(tags, summaryTags(model, loaded), isFineTuned(card) && h('span', { class: 'tag' }, 'fine-tuned here'));
    },
    () => {
      fill(accuracy, '–');
      fill(size, '–');
    },
  );
  const [, height, width] = model.input_size;
  const fact = (name: string, value: Child): HTMLElement => h('div', {}, h('dt', {}, name), value);
  return h(
    'li',
    { class: 'panel tile' },
    h(
      'div',
      { class: 'block tight' },
      h('h2', {}, h('a', { href: hrefOf(['zoo', model.id]) }, model.title)),
      h('code', {}, model.id),
      tags,
    ),
    h(
      'dl',
      { class: 'facts' },
      fact('Top-1', accuracy),
      fact('Weights', size),
      fact('Parameters', h('dd', {}, large(model.parameters))),
      fact('Classes', h('dd', {}, count(model.num_classes))),
      fact('Input', h('dd', {}, `${height} × ${width}`)),
      fact('Licence', h('dd', {}, model.license)),
    ),
    h(
      'div',
      { class: 'row spread' },
      h('span', { class: 'muted small' }, 'Speed on this server'),
      speedView(client, session, model.id, signal),
    ),
  );
}

function summaryTags({ default: isDefault, versions }: ModelSummary, loaded: boolean): Child {
  return [
    isDefault && h('span', { class: 'tag accent' }, 'default'),
    loaded && h('span', { class: 'tag accent' }, 'loaded'),
    versions.length > 1 && h('span', { class: 'tag' }, `${versions.length} versions`),
  ];
}

function bestAccuracy({ accuracy }: ModelCard): Child {
  const [first] = accuracy;
  return first === undefined
    ? '–'
    : h('span', { title: `${first.dataset}, ${count(first.images)} images` }, `${first.top1.toFixed(1)}%`);
}
