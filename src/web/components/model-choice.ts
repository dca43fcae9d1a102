import type { ModelSummary } from '../api/schema.ts';
import { h, icon } from '../dom.ts';

/** Checkboxes to choose models. At least one stays chosen. */
export function modelChoice(
  models: readonly Pick<ModelSummary, 'id' | 'title'>[],
  chosen: readonly string[],
  onChange: (chosen: readonly string[]) => void,
): HTMLElement {
  const boxes = models.map(({ id, title }) => {
    const box = h('input', { type: 'checkbox', name: 'model', value: id, title: id, checked: chosen.includes(id) });
    return { id, title, box };
  });
  for (const { box } of boxes) {
    box.addEventListener('change', () => {
      const now = boxes.filter((each) => each.box.checked).map(({ id }) => id);
      if (now.length === 0) box.checked = true;
      else onChange(now);
    });
  }
  return h(
    'div',
    { class: 'choices' },
    boxes.map(({ title, box }) => h('label', { class: 'choice' }, box, icon('check'), h('span', {}, title))),
  );
}
