import { SERVER_PATH } from '../../api/address.ts';
import { sentence } from '../../components/notice.ts';
import { fill, h, icon } from '../../dom.ts';
import type { KeptModel, KeptModels } from '../../edge/kept-models.ts';
import { keepPage } from '../../edge/offline.ts';
import { bytes } from '../../format.ts';
import { hrefOf } from '../../router.ts';

/** The part of the screen that is about running without a connection. */
export interface OfflinePart {
  readonly element: HTMLElement;
  /** Called when a model was loaded. */
  update(model: string): void;
}

/** Leads from the screen to the page that works offline, with the same model. */
export function offlineLink(model: string | null): OfflinePart {
  const link = h('a', { class: 'button' }, icon('device'), 'Open the offline page');
  const pointTo = (query: Readonly<Record<string, string>>): void =>
    link.setAttribute('href', `${SERVER_PATH}/edge${hrefOf([], query)}`);
  pointTo(model === null ? {} : { model });
  const words = 'A page of its own keeps this screen, and the models that you load there, in this browser.';
  return {
    element: panel(h('p', {}, words), h('div', { class: 'row' }, link)),
    update: (id) => pointTo({ model: id }),
  };
}

/** Keeps the page, and shows which models are kept, with buttons to remove them. */
export function offlinePanel(kept: KeptModels): OfflinePart {
  const state = h('p', { role: 'status' }, 'This page is being kept …');
  const models = h('div');
  const show = async (): Promise<void> =>
    fill(
      models,
      keptList(await kept.list(), (id) => void kept.remove(id).then(show)),
    );
  keepPage().then(
    () =>
      fill(
        state,
        'This page is kept: it opens without a connection. The menu of your browser can install it as an app.',
      ),
    (thrown: unknown) =>
      fill(state, `This page cannot be kept. ${sentence(thrown instanceof Error ? thrown.message : String(thrown))}`),
  );
  void show();
  return { element: panel(state, models), update: () => void show() };
}

function panel(...content: HTMLElement[]): HTMLElement {
  return h('section', { class: 'panel block' }, h('h2', {}, 'Without a connection'), content);
}

function keptList(list: readonly KeptModel[], remove: (id: string) => void): HTMLElement {
  if (list.length === 0) return h('p', { class: 'muted' }, 'No model is kept yet. One that you load here is.');
  const total = list.reduce((sum, each) => sum + each.bytes, 0);
  return h(
    'div',
    {},
    h(
      'p',
      {},
      `The models kept here take ${bytes(total)} of this device. Everyone who uses this browser can run them, until you remove them.`,
    ),
    h(
      'ul',
      { class: 'kept' },
      list.map(({ id, bytes: size }) =>
        h(
          'li',
          { class: 'row' },
          h('span', {}, `${id}, ${bytes(size)}`),
          h(
            'button',
            { type: 'button', class: 'compact', 'aria-label': `Remove ${id}`, onclick: () => remove(id) },
            icon('trash'),
            'Remove',
          ),
        ),
      ),
    ),
  );
}
