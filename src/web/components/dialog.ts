import { type Child, fill, h, icon } from '../dom.ts';
import { focusHeading } from '../focus.ts';

/** A dialog over the page. */
export interface Dialog {
  readonly element: HTMLDialogElement;
  readonly title: HTMLElement;
  close(): void;
}

/**
 * Opens a modal dialog. Escape, its button and a click beside it close it.
 * @param onClose called after it has closed
 */
export function openDialog(heading: string, content: Child, onClose: () => void = () => {}): Dialog {
  const title = h('h2', { id: 'dialog-title' }, heading);
  const close = h('button', { type: 'button', class: 'quiet square', 'aria-label': 'Close' }, icon('close'));
  const body = h('div');
  fill(body, content);
  const element = h('dialog', { 'aria-labelledby': 'dialog-title' }, h('header', {}, title, close), body);
  close.addEventListener('click', () => element.close());
  element.addEventListener('click', (event) => {
    if (event.target === element) element.close();
  });
  element.addEventListener('close', () => {
    element.remove();
    onClose();
    // What had the focus before may have gone meanwhile.
    if (document.activeElement === document.body) focusHeading();
  });
  document.body.append(element);
  element.showModal();
  return { element, title, close: () => element.close() };
}
