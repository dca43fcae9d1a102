import { h } from '../dom.ts';

/** A panel and its name. */
export interface Tab {
  readonly name: string;
  readonly panel: HTMLElement;
}

let instances = 0;

/** What is shown first, and who wants to know what is chosen. */
export interface TabsOptions {
  /** The name of a tab; the first is shown where there is none of this name. */
  readonly shown?: string | undefined;
  readonly onChoose?: (name: string) => void;
}

/** Shows one panel at a time. Keyboard and roles follow the tabs pattern of WAI-ARIA. */
export function tabs(
  label: string,
  list: readonly Tab[],
  { shown, onChoose }: TabsOptions = {},
): { readonly bar: HTMLElement; readonly panels: HTMLElement } {
  instances += 1;
  const id = (index: number, part: string): string => `tabs-${instances}-${part}-${index}`;
  const buttons = list.map(({ name }, index) =>
    h('button', { type: 'button', role: 'tab', id: id(index, 'tab'), 'aria-controls': id(index, 'panel') }, name),
  );
  const select = (chosen: number): void => {
    list.forEach(({ panel }, index) => {
      panel.hidden = index !== chosen;
      buttons[index]?.setAttribute('aria-selected', String(index === chosen));
      buttons[index]?.setAttribute('tabindex', index === chosen ? '0' : '-1');
    });
  };
  const choose = (index: number): void => {
    select(index);
    const { name } = list[index] ?? {};
    if (name !== undefined) onChoose?.(name);
  };
  const bar = h('div', { class: 'tabs', role: 'tablist', 'aria-label': label }, buttons);
  buttons.forEach((button, index) => {
    button.addEventListener('click', () => choose(index));
    button.addEventListener('keydown', ({ key }) => {
      const step = key === 'ArrowRight' ? 1 : key === 'ArrowLeft' ? -1 : 0;
      if (step === 0) return;
      const next = (index + step + list.length) % list.length;
      choose(next);
      buttons[next]?.focus();
    });
  });
  list.forEach(({ panel }, index) => {
    panel.setAttribute('role', 'tabpanel');
    panel.setAttribute('aria-labelledby', id(index, 'tab'));
    panel.id = id(index, 'panel');
  });
  select(
    Math.max(
      0,
      list.findIndex(({ name }) => name === shown),
    ),
  );
  return {
    bar,
    panels: h(
      'div',
      {},
      list.map(({ panel }) => panel),
    ),
  };
}
