import type { OnRequest } from '../api/client.ts';
import { type SentRequest, toCurl, toTypeScript } from '../api/request.ts';
import { fill, h, icon } from '../dom.ts';
import { copyButton } from './copy-button.ts';
import { tabs } from './tabs.ts';

/** Shows the last request of a screen, to be copied. */
export interface ApiPanel {
  readonly element: HTMLElement;
  readonly show: OnRequest;
}

const LANGUAGES = [
  ['curl', toCurl],
  ['TypeScript', toTypeScript],
] as const;

/** The request that a screen has just made, as one would make it without the page. */
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
    h('p', { class: 'small muted' }, 'All operations, to try out: ', h('a', { href: '/docs' }, 'the interface'), '.'),
  );
  const element = h('details', { class: 'api' }, h('summary', {}, icon('code'), 'The last request:', name), body);
  return {
    element,
    show: (request: SentRequest) => {
      body.hidden = false;
      fill(name, `${request.method} ${request.path}`);
      LANGUAGES.forEach(([, render], index) => {
        const code = codes[index];
        if (code) fill(code, render(request, location.origin));
      });
    },
  };
}
