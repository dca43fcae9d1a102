import { keepFocus } from './focus.ts';

/** Content of an element. `false` and `undefined` are left out; text is never parsed as HTML. */
export type Child = Node | string | number | false | undefined | readonly Child[];

type Listener = (event: never) => void;

/**
 * Attributes. `false` and `undefined` are left out, `true` sets one without a value, and a function listens to the
 * event that the name says: `onclick`.
 */
export type Attributes = Readonly<Record<string, string | number | boolean | undefined | Listener>>;

/**
 * Creates an element. `--name` sets a custom property, since the content security policy of the page forbids style
 * attributes.
 */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value as EventListener);
    else if (value === undefined || value === false) continue;
    else if (name.startsWith('--')) element.style.setProperty(name, String(value));
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  fill(element, ...children);
  return element;
}

/** Replaces the content of an element, and keeps the focus where it was. */
export function fill(element: Element, ...children: readonly Child[]): void {
  keepFocus(element, () => element.replaceChildren(...nodesOf(children)));
}

function nodesOf(children: readonly Child[]): (Node | string)[] {
  return children.flatMap((child) => {
    if (child === undefined || child === false) return [];
    if (child instanceof Node || typeof child === 'string') return [child];
    return typeof child === 'number' ? [String(child)] : nodesOf(child as readonly Child[]);
  });
}

/** Icons, as SVG paths in a square of 24 units. */
const ICONS = {
  add: 'M12 5v14M5 12h14',
  camera: 'M4 8h3l2-3h6l2 3h3v11H4zM12 16.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z',
  check: 'M5 12.5 10 17.5 19 7',
  close: 'M6 6l12 12M18 6 6 18',
  code: 'M9 7l-5 5 5 5M15 7l5 5-5 5',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  device: 'M7 3h10v18H7zM11 18h2',
  down: 'M12 4v11M7 11l5 5 5-5M5 20h14',
  eye: 'M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12zM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6z',
  gauge: 'M4 18a8.5 8.5 0 1 1 16 0M12 15l4-5',
  link: 'M14 5h5v5M19 5l-8 8M17 14v5H5V7h5',
  more: 'M6.1 12a1.1 1.1 0 1 1-2.2 0 1.1 1.1 0 0 1 2.2 0zM13.1 12a1.1 1.1 0 1 1-2.2 0 1.1 1.1 0 0 1 2.2 0zM20.1 12a1.1 1.1 0 1 1-2.2 0 1.1 1.1 0 0 1 2.2 0z',
  moon: 'M19.5 14.5A8 8 0 1 1 10 4.5a6.5 6.5 0 0 0 9.5 10z',
  pictures: 'M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9.5h.01',
  right: 'M5 12h14M13 6l6 6-6 6',
  stop: 'M7 7h10v10H7z',
  sun: 'M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4',
  trash: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10 11v5M14 11v5',
  warning: 'M12 4 21 20H3zM12 10v4.5M12 17.2v.1',
} as const;

export type IconName = keyof typeof ICONS;

const SVG = 'http://www.w3.org/2000/svg';

/** An icon. Screen readers skip it: the text beside it says the same. */
export function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  svg.append(path(ICONS[name]));
  return svg;
}

/** Creates an SVG element. */
export function shape(tag: 'path' | 'rect' | 'line' | 'text' | 'g' | 'circle', attributes: Attributes): SVGElement {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

function path(d: string): SVGElement {
  return shape('path', { d });
}
