import { fill, h, icon } from './dom.ts';

const KEY = 'menagerie-theme';
const dark = matchMedia('(prefers-color-scheme: dark)');

type Theme = 'light' | 'dark';

/** Applies the chosen theme, or that of the system, and follows changes of the latter. */
export function applyTheme(): void {
  show(current());
  dark.addEventListener('change', () => show(current()));
}

/** A button that switches between light and dark, and remembers the choice. */
export function themeButton(): HTMLButtonElement {
  const button = h('button', { type: 'button', class: 'quiet square' });
  const draw = (): void => {
    const other: Theme = current() === 'dark' ? 'light' : 'dark';
    const label = `Use ${other} colours`;
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

/** Calls a listener when the theme changes, to redraw a canvas. @returns a function that ends it */
export function onThemeChange(listener: () => void): () => void {
  const observer = new MutationObserver(listener);
  observer.observe(document.documentElement, { attributeFilter: ['data-theme'] });
  return () => observer.disconnect();
}

/** A colour of the theme for a canvas. @param name its custom property, for example `--accent` */
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

/** The browser may deny storage; then the theme of the system applies. */
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
    // The choice is forgotten.
  }
}
