import './styles/tokens.css';
import './styles/base.css';
import './styles/layout.css';
import './styles/controls.css';
import './styles/classify.css';
import './styles/teach.css';
import './styles/zoo.css';
import './styles/edge.css';
import { createClient } from './api/client.ts';
import { followDrags } from './components/drops.ts';
import { keyStatus } from './components/key-status.ts';
import { KeyHolder } from './key-holder.ts';
import { parseRoute } from './router.ts';
import type { OpenScreen, Screen } from './screen.ts';
import { classifyScreen } from './screens/classify/screen.ts';
import { edgeScreen } from './screens/edge/screen.ts';
import { jobScreen } from './screens/job/screen.ts';
import { modelScreen } from './screens/model/screen.ts';
import { notFoundScreen } from './screens/not-found.ts';
import { resultScreen } from './screens/result/screen.ts';
import { teachScreen } from './screens/teach/screen.ts';
import { zooScreen } from './screens/zoo/screen.ts';
import { createSession } from './session.ts';
import { createShell } from './shell.ts';
import { applyTheme } from './theme.ts';

/** The navigation entry of screens that have none of their own. */
const PLACES: Readonly<Record<string, string>> = { jobs: 'teach', results: 'zoo' };

const SCREENS: Readonly<Record<string, OpenScreen>> = {
  classify: classifyScreen,
  teach: teachScreen,
  jobs: jobScreen,
  results: resultScreen,
  edge: edgeScreen,
  zoo: (context) => (context.route.path.length > 1 ? modelScreen : zooScreen)(context),
};

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

/** Opens the screen again when the user may do something else. */
async function changeKey(change: Promise<unknown>): Promise<void> {
  if ((await change) !== false) open();
}

function open(): void {
  const route = parseRoute(location.hash);
  const place = route.path[0] ?? 'classify';
  const openScreen = SCREENS[place] ?? notFoundScreen;
  shown?.close?.();
  shown = openScreen({ route, client, session, showBadge: shell.showBadge });
  document.title = `${shown.title} · Menagerie`;
  shell.show(shown.element, PLACES[place] ?? place);
}

followDrags();
window.addEventListener('hashchange', open);
open();
// Where it fails, the screens say why.
keys.read().catch(() => undefined);
