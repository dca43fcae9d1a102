import { fill, h, icon } from '../dom.ts';

/** Milliseconds for which it says that it has copied. */
const TOLD_MS = 2_000;

/** Copies a text. @param name what a screen reader calls it, where it differs from what it shows */
export function copyButton(textOf: () => string, name?: string): HTMLButtonElement {
  const button = h('button', { type: 'button', class: 'compact', 'aria-label': name }, icon('copy'), 'Copy');
  button.addEventListener('click', () => {
    copy(textOf()).then(
      () => {
        fill(button, icon('check'), 'Copied');
        setTimeout(() => fill(button, icon('copy'), 'Copy'), TOLD_MS);
      },
      () => fill(button, 'Select it and press Ctrl+C'),
    );
  });
  return button;
}

/** Pages over plain HTTP from another machine have no clipboard. */
async function copy(text: string): Promise<void> {
  await navigator.clipboard.writeText(text);
}
