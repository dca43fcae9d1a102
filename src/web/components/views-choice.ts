import type { Operations } from '../api/schema.ts';
import { h } from '../dom.ts';

/** Test-time augmentation, as `POST /classify` takes it; undefined for none. */
export type Tta = Operations['classify']['query']['tta'];

const VIEWS: readonly (readonly [value: Tta, text: string])[] = [
  [undefined, 'The image alone'],
  ['flip', 'The image and its mirror image'],
  ['five_crop', 'Five crops of the image'],
];

/** The choice of how many views of an image the model looks at. */
export function viewsChoice(onChange: (tta: Tta) => void): HTMLElement {
  const select = h(
    'select',
    {},
    VIEWS.map(([, text]) => h('option', {}, text)),
  );
  select.addEventListener('change', () => onChange(VIEWS[select.selectedIndex]?.[0]));
  return h(
    'label',
    { class: 'field' },
    h('span', {}, 'What the model looks at'),
    select,
    h('span', { class: 'hint' }, 'More views are often a little more accurate, and take two or five times as long.'),
  );
}
