import { h } from '../dom.ts';
import type { Screen } from '../screen.ts';

/** For an address that leads nowhere. */
export function notFoundScreen(): Screen {
  return {
    title: 'Not found',
    element: h(
      'div',
      { class: 'screen' },
      h(
        'div',
        { class: 'lead' },
        h('h1', {}, 'There is nothing here'),
        h('p', {}, 'The address leads nowhere. ', h('a', { href: '#/classify' }, 'Classify a picture'), ' instead.'),
      ),
    ),
  };
}
