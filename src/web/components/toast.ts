import { h, icon } from '../dom.ts';
import { focusHeading } from '../focus.ts';
import type { NoticeAction } from './notice.ts';

/** Toasts with a way back are few enough to see past them. */
const MAX_TOASTS = 3;

/** In the page from the start, since screen readers announce only what changes in a place that they know. */
const place = h('div', { class: 'toasts', role: 'status' });
document.body.append(place);

/** A text at the foot of the window. */
export interface Toast {
  /** Whether it is still shown. */
  readonly isShown: () => boolean;
  close(): void;
}

/**
 * Says in a few words what has happened, with a way back. It stays until it is closed. The next one replaces it, except
 * that a way back stays for two more.
 */
export function showToast(text: string, action?: NoticeAction): Toast {
  /** What had the focus before the toast. */
  let before: Element | null = null;
  const close = (): void => {
    const hasFocus = element.contains(document.activeElement);
    element.remove();
    if (!hasFocus) return;
    if (before instanceof HTMLElement && before.isConnected) before.focus();
    else focusHeading();
  };
  const dismiss = h('button', { type: 'button', class: 'quiet square', 'aria-label': 'Dismiss' }, icon('close'));
  dismiss.addEventListener('click', close);
  const undo = action && h('button', { type: 'button', 'data-way-back': true }, action.label);
  undo?.addEventListener('click', () => {
    close();
    action?.run();
  });
  const element = h('div', { class: 'toast' }, h('p', {}, text), undo, dismiss);
  element.addEventListener('focusin', ({ relatedTarget }) => {
    if (relatedTarget instanceof Element && !element.contains(relatedTarget)) before = relatedTarget;
  });
  const withWayBack = [...place.children].filter((each) => each.querySelector('[data-way-back]') !== null);
  place.replaceChildren(...withWayBack.slice(1 - MAX_TOASTS), element);
  return { isShown: () => element.isConnected, close };
}
