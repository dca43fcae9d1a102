const CONTROLS = 'a[href], button, input, select, textarea, summary, [tabindex="0"]';

/**
 * Changes the content of an element without losing the focus: when the focused control goes away, the focus goes to the
 * control of the same name that took its place, else to the one at its position, else to the one before the element.
 */
export function keepFocus(element: Element, change: () => void): void {
  const focused = document.activeElement;
  if (!(focused instanceof HTMLElement) || focused === element || !element.contains(focused)) {
    change();
    return;
  }
  const name = nameOf(focused);
  const index = controlsIn(element).indexOf(focused);
  change();
  if (element.contains(document.activeElement) || !element.isConnected) return;
  const controls = controlsIn(element);
  const next = controls.includes(focused)
    ? focused
    : (controls.find((each) => nameOf(each) === name) ?? controls[Math.min(index, controls.length - 1)]);
  const before = (): HTMLElement | undefined =>
    controlsIn(element.closest('dialog, main') ?? document.body)
      .filter((each) => each.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING)
      .at(-1);
  const found = next ?? before();
  if (found) found.focus({ preventScroll: true });
  else focusHeading();
}

/** Lets a screen reader announce the screen, and Tab continue from there. */
export function focusHeading(): void {
  const heading = document.querySelector<HTMLElement>('main h1');
  heading?.setAttribute('tabindex', '-1');
  heading?.focus({ preventScroll: true });
}

/** The visible controls that can have the focus, in the order of Tab. */
function controlsIn(element: Element): HTMLElement[] {
  return [...element.querySelectorAll<HTMLElement>(CONTROLS)].filter(
    (each) => !each.matches(':disabled') && each.checkVisibility(),
  );
}

/** The tag is part of it: a link may be named like a button. */
function nameOf(element: HTMLElement): string {
  const [label] = element instanceof HTMLInputElement ? (element.labels ?? []) : [];
  return `${element.tagName} ${element.getAttribute('aria-label') ?? (label ?? element).textContent}`;
}
