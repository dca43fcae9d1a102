import { fill, h, icon } from './dom.ts';

const KEY = 'menagerie-theme';
const dark = matchMedia('(prefers-color-scheme: dark)');

type Theme = 'light' | 'dark';

/** Shows the page in the chosen theme, else in the system's, and follows that as it changes. */
export function applyTheme(): void {
  show(current());
  dark.addEventListener('change', () => show(current()));
}

/** Switches between light and dark, and remembers it. */
export function themeButton(): HTMLButtonElement {
  const button = h('button', { type: 'button', class: 'quiet square' });
  const draw = (): void => {
    const other: Theme = current() === 'dark' ? 'light' : 'dark';
    const label = `Change to ${other} colours`;
    fill(button, icon(other === 'dark' ? 'moon' : 'sun'));
    button.setAttribute('aria-label', label);
    button.title = label;
  };
  button.addEventListener('click', () => {
    remember(current() === 'dark' ? 'light' : 'dark');
    show(current());
    draw();
  });
  dark.addEventListener('change', draw);
  draw();
  return button;
}

/** Told when the colours change: what is drawn on a canvas must be drawn again. @returns ends it */
export function onThemeChange(listener: () => void): () => void {
  const observer = new MutationObserver(listener);
  observer.observe(document.documentElement, { attributeFilter: ['data-theme'] });
  return () => observer.disconnect();
}

/** A colour of the theme as a canvas takes it. @param name of its custom property, such as `--accent` */
export function colour(name: string): string {
  const probe = h('span', { hidden: true });
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

function current(): Theme {
  return remembered() ?? (dark.matches ? 'dark' : 'light');
}

function show(theme: Theme): void {
  document.documentElement.dataset['theme'] = theme;
}

/** Storage may be closed to the page: then it forgets. */
function remembered(): Theme | undefined {
  try {
    const value = localStorage.getItem(KEY);
    return value === 'light' || value === 'dark' ? value : undefined;
  } catch {
    return undefined;
  }
}

function remember(theme: Theme): void {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Then the next visit begins with the system's theme.
  }
}
