import type { Client } from '../../api/client.ts';
import { copyButton } from '../../components/copy-button.ts';
import { menu } from '../../components/menu.ts';
import { errorNotice } from '../../components/notice.ts';
import { pullControl } from '../../components/pull-control.ts';
import { type Child, fill, h, icon } from '../../dom.ts';
import { bytes, count, percent } from '../../format.ts';
import { isClassifier } from '../../model-kinds.ts';
import { confirmRemoval, removeModel } from '../../model-removal.ts';
import { hrefOf } from '../../router.ts';
import type { Session } from '../../session.ts';
import { speedView } from './speed.ts';
import type { ZooModel } from './zoo-model.ts';

export interface RowOptions {
  readonly client: Client;
  readonly session: Session;
  readonly signal: AbortSignal;
  /** Called when the models have changed. */
  readonly onChange: () => void;
}

/** A model in the list: its facts, what one does with it, and a menu for the rest. */
export function zooRow(model: ZooModel, options: RowOptions): HTMLElement {
  const { facts, here } = model;
  const { client, session, signal } = options;
  const trouble = h('div');
  const [, height, width] = facts.input_size;
  const cell = (label: string, ...content: readonly Child[]) => h('td', { role: 'cell', 'data-label': label }, content);
  const number = (label: string, ...content: readonly Child[]) =>
    h('td', { role: 'cell', class: 'number', 'data-label': label }, content);
  return h(
    'tr',
    { role: 'row', class: here ? '' : 'away' },
    h(
      'th',
      { role: 'rowheader', scope: 'row' },
      h('p', {}, here ? h('a', { href: hrefOf(['zoo', facts.id]) }, facts.title) : facts.title),
      h('p', { class: 'row' }, h('code', { class: 'muted' }, facts.id), tags(model)),
    ),
    number('Accuracy', accuracy(model)),
    number('Size', bytes(facts.size_bytes)),
    number('Classes', facts.num_classes === 0 ? 'backbone' : count(facts.num_classes)),
    number('Input', `${height} × ${width}`),
    cell('Licence', facts.license),
    number('Speed here', here && isClassifier(here) ? speedView(client, session, facts.id, signal) : '–'),
    h(
      'td',
      { role: 'cell', class: 'actions' },
      h('div', { class: 'row end' }, action(model, options, trouble), more(model, options, trouble)),
      trouble,
    ),
  );
}

function tags({ here, unloaded }: ZooModel): Child {
  if (here === undefined) return undefined;
  return [
    here.default && h('span', { class: 'tag accent' }, 'default'),
    unloaded && h('span', { class: 'tag caution' }, 'unloaded'),
    here.versions.length > 1 && h('span', { class: 'tag' }, `${here.versions.length} versions`),
  ];
}

/** The share of right answers, and below it on which data: `ImageNet-1k` */
function accuracy({ facts, taught }: ZooModel): Child {
  const [first] = facts.accuracy;
  if (first === undefined) return '–';
  const dataset = taught ? 'its own images' : first.dataset.split(',', 1);
  const title = `${first.dataset}, ${count(first.images)} images`;
  return [percent(first.top1 / 100), h('span', { class: 'dataset muted small', title }, dataset)];
}

/** What one most likely wants to do with a model. */
function action({ facts, here, unloaded }: ZooModel, options: RowOptions, trouble: HTMLElement): Child {
  const { client, session, signal, onChange } = options;
  const { id } = facts;
  if (here === undefined) return pullControl(id, { client, session, signal, onPulled: onChange });
  if (unloaded) {
    const load = (): void =>
      attempt(trouble, options, async () => {
        await client.call('loadModel', { path: { id }, signal });
      });
    return h('button', { type: 'button', class: 'compact', 'aria-label': `Load ${id}`, onclick: load }, 'Load');
  }
  const [words, href] = isClassifier(here)
    ? ['Use', hrefOf(['classify'], { model: id })]
    : ['Teach', hrefOf(['teach'])];
  return h('a', { class: 'button compact', href, 'aria-label': `${words} ${id}` }, words);
}

function more({ facts: { id }, here, taught }: ZooModel, options: RowOptions, trouble: HTMLElement): HTMLElement {
  const command = here ? `npx menagerie classify photo.jpg --model ${id}` : `npx menagerie pull ${id}`;
  const remove = (): void => {
    if (here && confirmRemoval(here)) {
      attempt(trouble, options, () => removeModel(options.client, here, options.signal));
    }
  };
  return menu(
    `More about ${id}`,
    here && isClassifier(here) && h('a', { href: hrefOf(['edge'], { model: id }) }, icon('device'), 'Run in browser'),
    h('p', { class: 'small muted' }, 'In a terminal'),
    h(
      'p',
      { class: 'row' },
      h('code', {}, command),
      copyButton(() => command, `Copy the command for ${id}`),
    ),
    taught &&
      h('button', { type: 'button', class: 'danger', 'data-closes': true, onclick: remove }, icon('trash'), 'Delete …'),
  );
}

/** Changes something on the server, and says below the row when it fails. */
function attempt(
  trouble: HTMLElement,
  { signal, onChange }: Pick<RowOptions, 'signal' | 'onChange'>,
  change: () => Promise<void>,
): void {
  fill(trouble, h('p', { class: 'small muted', role: 'status' }, 'One moment …'));
  change().then(onChange, (thrown: unknown) => {
    if (signal.aborted) return;
    const again = { label: 'Try again', run: () => attempt(trouble, { signal, onChange }, change) };
    fill(trouble, errorNotice(thrown, again));
  });
}
