import { h } from '../dom.ts';
import type { Screen } from '../screen.ts';

/** Shown for an unknown address. */
export function notFoundScreen(): Screen {
  return {
    title: 'Not found',
    element: h(
      'div',
      { class: 'screen' },
      h(
        'div',
        { class: 'lead' },
        h('h1', {}, 'Page not found'),
        h('p', {}, 'This address does not exist. ', h('a', { href: '#/classify' }, 'Classify images')),
      ),
    ),
  };
}
