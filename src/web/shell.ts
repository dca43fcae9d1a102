import { SERVER_PATH } from './api/address.ts';
import { type Child, fill, h } from './dom.ts';
import { focusHeading } from './focus.ts';
import iconUrl from './icon.svg?url';
import { themeButton } from './theme.ts';

const PLACES = [
  ['classify', 'Classify'],
  ['teach', 'Teach'],
  ['zoo', 'Zoo'],
  ['edge', 'In browser'],
] as const;

export type ShowBadge = (place: (typeof PLACES)[number][0], text: string | undefined) => void;

/** The frame around every screen. */
export interface Shell {
  /** Shows the content of a screen and marks its place in the navigation. */
  show(content: HTMLElement, place: string): void;
  /** Shows in the footer which key is in use. */
  showKey(status: Child): void;
  /** Says beside a place in the navigation what goes on there; undefined for nothing. */
  showBadge: ShowBadge;
}

/** Builds the frame of the page. */
export function createShell(): Shell {
  const links = PLACES.map(([place, name]) => h('a', { href: `#/${place}`, 'data-place': place }, name));
  const main = h('main', { id: 'main' });
  const key = h('div', { class: 'row' });
  const skip = h('a', { class: 'skip', href: '#main' }, 'Skip to content');
  skip.addEventListener('click', (event) => {
    event.preventDefault();
    focusHeading();
  });
  document.body.append(
    h(
      'header',
      { class: 'bar' },
      h(
        'div',
        {},
        skip,
        h(
          'a',
          { class: 'wordmark', href: '#/' },
          h('img', { src: iconUrl, alt: '', width: 28, height: 28 }),
          'Menagerie',
        ),
        h('nav', { 'aria-label': 'Screens' }, links),
        h(
          'div',
          { class: 'tools' },
          h('a', { href: `${SERVER_PATH}/docs`, class: 'button quiet compact' }, 'API'),
          themeButton(),
        ),
      ),
    ),
    main,
    h(
      'footer',
      { class: 'foot' },
      h(
        'div',
        {},
        h('span', {}, 'This page uses only the public API of this server.'),
        h('a', { href: `${SERVER_PATH}/docs` }, 'API reference'),
        h('a', { href: `${SERVER_PATH}/openapi.yaml` }, 'openapi.yaml'),
        h('a', { href: `${SERVER_PATH}/metrics` }, 'Metrics'),
        key,
      ),
    ),
  );
  return {
    showKey: (status) => fill(key, status),
    showBadge(place, text) {
      const name = PLACES.find(([each]) => each === place)?.[1];
      const link = links.find((each) => each.dataset['place'] === place);
      if (link) fill(link, name, text !== undefined && h('span', { class: 'badge' }, text));
    },
    show(content, place) {
      const moved = main.childElementCount > 0;
      fill(main, content);
      for (const link of links) {
        if (link.dataset['place'] === place) link.setAttribute('aria-current', 'page');
        else link.removeAttribute('aria-current');
      }
      if (!moved) return;
      scrollTo(0, 0);
      focusHeading();
    },
  };
}
