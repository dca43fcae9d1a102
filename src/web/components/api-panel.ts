import { SERVER_PATH, SERVER_URL } from '../api/address.ts';
import type { OnRequest } from '../api/client.ts';
import { type SentRequest, toCurl, toTypeScript } from '../api/request.ts';
import { fill, h, icon } from '../dom.ts';
import { copyButton } from './copy-button.ts';
import { tabs } from './tabs.ts';

/** A panel with the last request of a screen, to copy. */
export interface ApiPanel {
  readonly element: HTMLElement;
  readonly show: OnRequest;
}

const LANGUAGES = [
  ['curl', toCurl],
  ['TypeScript', toTypeScript],
] as const;

/** Shows the last request of a screen as a command and as code. */
export function apiPanel(): ApiPanel {
  const codes = LANGUAGES.map(() => h('code', {}));
  const { bar, panels } = tabs(
    'Language',
    LANGUAGES.map(([name], index) => ({ name, panel: h('pre', { tabindex: 0 }, codes[index]) })),
  );
  const name = h('span', { class: 'muted' }, 'none yet');
  const copy = copyButton(() => codes.find((code) => code.parentElement?.hidden === false)?.textContent ?? '');
  const body = h(
    'div',
    { class: 'body', hidden: true },
    h('div', { class: 'row spread' }, bar, copy),
    panels,
    h(
      'p',
      { class: 'small muted' },
      'All operations are in the ',
      h('a', { href: `${SERVER_PATH}/docs` }, 'API reference'),
      '.',
    ),
  );
  const element = h('details', { class: 'api' }, h('summary', {}, icon('code'), 'Last request:', name), body);
  return {
    element,
    show: (request: SentRequest) => {
      body.hidden = false;
      fill(name, `${request.method} ${request.path}`);
      LANGUAGES.forEach(([, render], index) => {
        const code = codes[index];
        if (code) fill(code, render(request, SERVER_URL));
      });
    },
  };
}
