import type { ModelCard } from '../../api/schema.ts';
import { fill, h } from '../../dom.ts';
import { count, counted } from '../../format.ts';

/** Classes to list at a time. */
const SHOWN_CLASSES = 60;

/** The classes of a model, with a search. */
export function classList({ classes }: ModelCard): HTMLElement {
  const search = h('input', { type: 'search', placeholder: 'Search', 'aria-label': 'Search the classes' });
  const list = h('ul', { class: 'class-names' });
  const more = h('p', { class: 'muted small', role: 'status' });
  const draw = (): void => {
    const wanted = search.value.trim().toLowerCase();
    const found = classes.filter(({ label }) => label.toLowerCase().includes(wanted));
    fill(
      list,
      found.slice(0, SHOWN_CLASSES).map(({ label, synset }) => h('li', { title: synset }, label)),
    );
    const hidden = found.length - SHOWN_CLASSES;
    fill(more, hidden > 0 ? `and ${count(hidden)} more` : found.length === 0 && 'No class matches.');
  };
  search.addEventListener('input', draw);
  draw();
  return h(
    'section',
    { class: 'panel block' },
    h(
      'div',
      { class: 'row spread' },
      h('h2', {}, counted(classes.length, 'class', 'classes')),
      classes.length > SHOWN_CLASSES && h('div', {}, search),
    ),
    list,
    more,
  );
}
