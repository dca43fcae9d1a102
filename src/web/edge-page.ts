import './styles/tokens.css';
import './styles/base.css';
import './styles/layout.css';
import './styles/controls.css';
import './styles/classify.css';
import './styles/teach.css';
import './styles/edge.css';
import { SERVER_PATH } from './api/address.ts';
import { createClient } from './api/client.ts';
import { followDrags } from './components/drops.ts';
import { keyStatus } from './components/key-status.ts';
import { fill, h } from './dom.ts';
import { KeptModels } from './edge/kept-models.ts';
import iconUrl from './icon.svg?url';
import { KeyHolder } from './key-holder.ts';
import { parseRoute } from './router.ts';
import type { Screen } from './screen.ts';
import { edgeScreen } from './screens/edge/screen.ts';
import { applyTheme, themeButton } from './theme.ts';

/*
 * The screen "In browser" as a page of its own, which works without a connection: its service worker has only this
 * page in its scope, so that nothing else is ever served from what it keeps.
 */
applyTheme();
const key = h('div', { class: 'row' });
const main = h('main', { id: 'main' });
const keys = new KeyHolder(createClient(), (user) =>
  fill(key, keyStatus(user, { ask: () => void changeKey(keys.ask()), forget: () => void changeKey(keys.forget()) })),
);
const client = createClient(keys);
const kept = new KeptModels();
let shown: Screen | undefined;

async function changeKey(change: Promise<unknown>): Promise<void> {
  if ((await change) !== false) open();
}

function open(): void {
  shown?.close?.();
  shown = edgeScreen({ client, route: parseRoute(location.hash) }, kept);
  fill(main, shown.element);
}

document.body.append(
  h(
    'header',
    { class: 'bar' },
    h(
      'div',
      {},
      h(
        'a',
        { class: 'wordmark', href: `${SERVER_PATH}/` },
        h('img', { src: iconUrl, alt: '', width: 28, height: 28 }),
        'Menagerie',
      ),
      h('nav', { 'aria-label': 'Screens' }, h('a', { href: `${SERVER_PATH}/#/zoo` }, 'All screens')),
      h('div', { class: 'tools' }, themeButton()),
    ),
  ),
  main,
  h('footer', { class: 'foot' }, h('div', {}, h('span', {}, 'This page also works without a connection.'), key)),
);
followDrags();
window.addEventListener('hashchange', open);
open();
// Where it fails, the screen says why.
keys.read().catch(() => undefined);
