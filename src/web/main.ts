import './styles/tokens.css';
import './styles/base.css';
import './styles/layout.css';
import './styles/controls.css';
import './styles/classify.css';
import { createClient } from './api/client.ts';
import { parseRoute } from './router.ts';
import type { OpenScreen, Screen } from './screen.ts';
import { classifyScreen } from './screens/classify/screen.ts';
import { notFoundScreen } from './screens/not-found.ts';
import { createSession } from './session.ts';
import { createShell } from './shell.ts';
import { applyTheme } from './theme.ts';

const SCREENS: Readonly<Record<string, OpenScreen>> = {
  classify: classifyScreen,
};

applyTheme();
const shell = createShell();
const client = createClient();
const session = createSession();
let shown: Screen | undefined;

function open(): void {
  const route = parseRoute(location.hash);
  const place = route.path[0] ?? 'classify';
  const openScreen = SCREENS[place] ?? notFoundScreen;
  shown?.close?.();
  shown = openScreen({ route, client, session });
  document.title = `${shown.title} · Menagerie`;
  shell.show(shown.element, place);
}

// A file that misses its place would otherwise replace the page.
for (const type of ['dragover', 'drop'] as const) window.addEventListener(type, (event) => event.preventDefault());
window.addEventListener('hashchange', open);
open();
