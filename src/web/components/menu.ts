import { type Child, h, icon } from '../dom.ts';

/** Pixels between the button and the menu. */
const GAP = 4;

let instances = 0;

/**
 * A button that opens a small panel beside it. Escape, a click elsewhere and scrolling close it.
 * @param label the accessible name of the button
 */
export function menu(label: string, ...content: readonly Child[]): HTMLElement {
  instances += 1;
  const id = `menu-${instances}`;
  const panel = h('div', { class: 'menu', id, popover: true, role: 'group', 'aria-label': label }, content);
  const button = h(
    'button',
    { type: 'button', class: 'quiet square compact', 'aria-label': label, popovertarget: id },
    icon('more'),
  );
  const close = (): void => panel.hidePopover();
  panel.addEventListener('toggle', ({ newState }) => {
    if (newState !== 'open') return;
    const { left, top, bottom } = button.getBoundingClientRect();
    const { width, height } = panel.getBoundingClientRect();
    const below = bottom + GAP;
    panel.style.left = `${Math.max(GAP, Math.min(left, document.body.clientWidth - width - GAP))}px`;
    panel.style.top = `${below + height < innerHeight ? below : Math.max(GAP, top - GAP - height)}px`;
    window.addEventListener('scroll', close, { once: true });
  });
  // What is chosen closes it, except for what is copied.
  panel.addEventListener('click', ({ target }) => {
    if (target instanceof Element && target.closest('a, button[data-closes]')) close();
  });
  return h('span', { class: 'menu-place' }, button, panel);
}
