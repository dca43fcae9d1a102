import { h, icon } from '../../dom.ts';
import { BACKEND_NAMES } from '../../edge/backends.ts';
import type { BrowserModel } from '../../edge/model.ts';
import { bytes, milliseconds } from '../../format.ts';

/** Says which model is loaded, what it runs on, and why nothing faster does. @param took duration in milliseconds */
export function loadedModel({ id, size, wasKept, backend, passed }: BrowserModel, took: number): HTMLElement {
  return h(
    'div',
    {},
    h(
      'p',
      { class: 'row' },
      icon('check'),
      h('span', { class: 'beside-icon' }, `${id} is loaded: ${bytes(size)} in ${milliseconds(took)}.`),
    ),
    wasKept && h('p', {}, 'The server cannot be reached: this is the model that this browser has kept.'),
    h('p', {}, `It runs on ${BACKEND_NAMES[backend]}.`),
    passed.map((each) => h('p', { class: 'muted small' }, `Not on ${BACKEND_NAMES[each.backend]}: ${each.reason}`)),
  );
}
