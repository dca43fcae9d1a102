import './styles/tokens.css';
import './styles/base.css';
import './styles/layout.css';
import './styles/controls.css';
import './styles/classify.css';
import './styles/zoo.css';
import { createClient } from './api/client.ts';
import { followDrags } from './components/drops.ts';
import { keyStatus } from './components/key-status.ts';
import { errorNotice } from './components/notice.ts';
import { h } from './dom.ts';
import { KeyHolder } from './key-holder.ts';
import { parseRoute, type Route } from './router.ts';
import type { OpenScreen, Screen } from './screen.ts';
import { createSession } from './session.ts';
import { createShell } from './shell.ts';
import { applyTheme } from './theme.ts';

/** The navigation entry of screens that have none of their own. */
const PLACES: Readonly<Record<string, string>> = { jobs: 'teach', results: 'zoo' };

/** Loads the code and the styles of a screen. */
type LoadScreen = (route: Route) => Promise<OpenScreen>;

/** The screens, each loaded when it is opened first: one uses few of them at a time. */
const SCREENS: Readonly<Record<string, LoadScreen>> = {
  classify: async () => (await import('./screens/classify/screen.ts')).classifyScreen,
  teach: async () => (await styled(import('./screens/teach/screen.ts'))).teachScreen,
  jobs: async () => (await styled(import('./screens/job/screen.ts'), import('./styles/result.css'))).jobScreen,
  results: async () => (await styled(import('./screens/result/screen.ts'), import('./styles/result.css'))).resultScreen,
  edge: async () => (await styled(import('./screens/edge/screen.ts'), import('./styles/edge.css'))).edgeScreen,
  zoo: async ({ path }) =>
    path.length > 1
      ? (await import('./screens/model/screen.ts')).modelScreen
      : (await import('./screens/zoo/screen.ts')).zooScreen,
};

const loadNotFound: LoadScreen = async () => (await import('./screens/not-found.ts')).notFoundScreen;

/** A screen together with the styles that it shares with the other screens about training. */
async function styled<T>(screen: Promise<T>, ...styles: readonly Promise<unknown>[]): Promise<T> {
  const [loaded] = await Promise.all([screen, import('./styles/teach.css'), ...styles]);
  return loaded;
}

applyTheme();
const shell = createShell();
const keys = new KeyHolder(createClient(), (user) =>
  shell.showKey(
    keyStatus(user, { ask: () => void changeKey(keys.ask()), forget: () => void changeKey(keys.forget()) }),
  ),
);
const client = createClient(keys);
const session = createSession();
let shown: Screen | undefined;
/** The route that was asked for last: screens that load may arrive in another order. */
let wanted: Route | undefined;

/** Opens the screen again when the user may do something else. */
async function changeKey(change: Promise<unknown>): Promise<void> {
  if ((await change) !== false) open();
}

function open(): void {
  const route = parseRoute(location.hash);
  const place = route.path[0] ?? 'classify';
  const load = SCREENS[place] ?? loadNotFound;
  wanted = route;
  load(route).then(
    (openScreen) => {
      if (wanted === route) show(openScreen({ route, client, session, showBadge: shell.showBadge }), place);
    },
    () => {
      if (wanted === route) show(outdatedScreen(), place);
    },
  );
}

function show(screen: Screen, place: string): void {
  shown?.close?.();
  shown = screen;
  document.title = `${shown.title} · Menagerie`;
  shell.show(shown.element, PLACES[place] ?? place);
}

/** Where the code of a screen cannot be had: the server is gone, or has another build of the page. */
function outdatedScreen(): Screen {
  const reason = new Error('The server does not answer, or has a newer version of this page.');
  return {
    title: 'Not loaded',
    element: h(
      'div',
      { class: 'screen' },
      h('h1', {}, 'This screen could not be loaded'),
      errorNotice(reason, { label: 'Reload the page', run: () => location.reload() }),
    ),
  };
}

followDrags();
window.addEventListener('hashchange', open);
open();
// Where it fails, the screens say why.
keys.read().catch(() => undefined);
