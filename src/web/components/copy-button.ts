import { fill, h, icon } from '../dom.ts';

/** How long the button says that it has copied, in milliseconds. */
const COPIED_MS = 2_000;

/** A button that copies a text. @param name its accessible name, if that is not its text */
export function copyButton(textOf: () => string, name?: string): HTMLButtonElement {
  const button = h('button', { type: 'button', class: 'compact', 'aria-label': name }, icon('copy'), 'Copy');
  button.addEventListener('click', () => {
    copy(textOf()).then(
      () => {
        fill(button, icon('check'), 'Copied');
        setTimeout(() => fill(button, icon('copy'), 'Copy'), COPIED_MS);
      },
      () => fill(button, 'Select the text and press Ctrl+C'),
    );
  });
  return button;
}

/** Rejects where pages have no clipboard: over plain HTTP from another machine. */
async function copy(text: string): Promise<void> {
  await navigator.clipboard.writeText(text);
}
