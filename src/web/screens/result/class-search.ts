import { h } from '../../dom.ts';

/** Fewer classes are seen at a glance. */
const SEARCHED_FROM = 12;

/** A field to search classes with; nothing for few classes. @param onSearch called at once, and with each change */
export function classSearch(classes: number, onSearch: (wanted: string) => void): HTMLElement | false {
  const field = h('input', { type: 'search', placeholder: 'Search the classes', 'aria-label': 'Search the classes' });
  field.addEventListener('input', () => onSearch(field.value));
  onSearch('');
  return classes > SEARCHED_FROM && h('div', { class: 'class-search' }, field);
}

/** Whether a name has what was searched for in it. */
export function matches(name: string, wanted: string): boolean {
  return name.toLowerCase().includes(wanted.trim().toLowerCase());
}
