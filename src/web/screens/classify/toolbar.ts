import { type Child, fill, h, icon } from '../../dom.ts';
import { count } from '../../format.ts';
import type { SessionPicture } from '../../session.ts';
import { asCsv, asJson } from './results-file.ts';
import { agreementOf, hasFailed, isUnsure, verdictOf } from './verdict.ts';

/** Which images are shown, and in which order. */
export interface View {
  readonly filter: Filter;
  readonly order: Order;
}

type Filter = keyof typeof FILTERS;
type Order = keyof typeof ORDERS;

/** Whether an image is among those that a filter shows. */
const FILTERS = {
  all: { name: 'All', shows: () => true },
  differ: { name: 'Differ', shows: (picture, models) => agreementOf(picture, models) === 'differ' },
  unsure: { name: 'Unsure', shows: isUnsure },
  failed: { name: 'Failed', shows: hasFailed },
} as const satisfies Record<
  string,
  { name: string; shows: (picture: SessionPicture, models: readonly string[]) => boolean }
>;

const ORDERS = {
  added: 'Order: as added',
  unsure: 'Least sure first',
  label: 'By class',
  name: 'By file name',
} as const;

export const WHOLE_VIEW: View = { filter: 'all', order: 'added' };

/** Whether a view shows an image. */
export function isShown(picture: SessionPicture, models: readonly string[], { filter }: View): boolean {
  return FILTERS[filter].shows(picture, models);
}

/** The images in the order of a view. */
export function ordered(
  pictures: readonly SessionPicture[],
  models: readonly string[],
  { order }: View,
): readonly SessionPicture[] {
  if (order === 'added') return pictures;
  if (order === 'name') return pictures.toSorted((a, b) => a.file.name.localeCompare(b.file.name));
  const [first = ''] = models;
  const verdict = ({ answers }: SessionPicture) => verdictOf(answers.get(first));
  if (order === 'label') {
    return pictures.toSorted((a, b) => (verdict(a)?.label ?? '~').localeCompare(verdict(b)?.label ?? '~'));
  }
  // An unknown image has no class to be sure of; one without an answer comes last.
  const sure = (picture: SessionPicture): number => {
    const found = verdict(picture);
    return found === undefined ? 2 : found.sureness === 'unknown' ? 0 : found.score;
  };
  return pictures.toSorted((a, b) => sure(a) - sure(b));
}

/** A bar over the cards, to filter and sort them and to download the results. */
export interface Toolbar {
  readonly element: HTMLElement;
  /** Shows how many images each filter has. */
  update(pictures: readonly SessionPicture[], models: readonly string[]): void;
}

export function toolbar(onChange: (view: View) => void): Toolbar {
  let view = WHOLE_VIEW;
  let results: Parameters<Toolbar['update']> = [[], []];
  const filters = h('div', { class: 'choices', role: 'group', 'aria-label': 'Show' });
  const order = h(
    'select',
    { 'aria-label': 'Order' },
    Object.entries(ORDERS).map(([value, name]) => h('option', { value }, name)),
  );
  order.addEventListener('change', () => change({ ...view, order: order.value as Order }));

  const change = (next: View): void => {
    view = next;
    draw();
    onChange(view);
  };
  const draw = (): void => {
    const [pictures, models] = results;
    fill(
      filters,
      (Object.keys(FILTERS) as Filter[]).map((filter) => filterButton(filter, pictures, models)),
    );
  };
  const filterButton = (filter: Filter, pictures: readonly SessionPicture[], models: readonly string[]): Child => {
    const { name, shows } = FILTERS[filter];
    const found = pictures.filter((picture) => shows(picture, models)).length;
    // An empty filter is of no use, unless it is the one that is on.
    if (found === 0 && filter !== view.filter) return undefined;
    return h(
      'button',
      {
        type: 'button',
        class: 'compact',
        'aria-pressed': String(filter === view.filter),
        onclick: () => change({ ...view, filter }),
      },
      name,
      h('span', { class: 'number' }, count(found)),
    );
  };

  return {
    element: h(
      'div',
      { class: 'row toolbar' },
      filters,
      h(
        'div',
        { class: 'row' },
        order,
        downloadButton('CSV', 'text/csv', () => asCsv(...results)),
        downloadButton('JSON', 'application/json', () => asJson(...results)),
      ),
    ),
    update(pictures, models) {
      results = [pictures, models];
      draw();
    },
  };
}

function downloadButton(name: string, type: string, textOf: () => string): HTMLElement {
  const save = (): void => {
    const url = URL.createObjectURL(new Blob([textOf()], { type }));
    h('a', { href: url, download: `classification.${name.toLowerCase()}` }).click();
    URL.revokeObjectURL(url);
  };
  const label = `Download the results as ${name}`;
  return h('button', { type: 'button', class: 'compact', 'aria-label': label, onclick: save }, icon('down'), name);
}
