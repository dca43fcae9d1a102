import type { PreflightReport } from '../../api/schema.ts';
import { h } from '../../dom.ts';

/** Synsets by class name. */
export type ChosenSynsets = Readonly<Record<string, string>>;

/**
 * Asks which concept of WordNet each class shows, where some are called like it. Nothing is chosen before the user does:
 * a crane may be a bird or a machine.
 * @param chosen so far
 * @returns undefined when there is nothing to ask
 */
export function conceptChoices(
  { classes }: PreflightReport,
  chosen: ChosenSynsets,
  onChange: (chosen: ChosenSynsets) => void,
): HTMLElement | undefined {
  const asked = classes.filter(({ suggestions = [] }) => suggestions.length > 0);
  if (asked.length === 0) return undefined;
  let now = chosen;
  return h(
    'details',
    { class: 'panel block', open: Object.keys(chosen).length > 0 },
    h('summary', {}, 'What the classes are'),
    h(
      'p',
      { class: 'small muted' },
      'With the concepts of WordNet, the model can answer “dog” where it is not sure of the breed.',
    ),
    asked.map(({ name, suggestions = [] }) => {
      const select = h(
        'select',
        {},
        h('option', { value: '' }, 'Not said'),
        suggestions.map(({ synset, label, gloss }) =>
          h(
            'option',
            { value: synset, selected: now[name] === synset },
            gloss === undefined ? label : `${label}: ${gloss}`,
          ),
        ),
      );
      select.addEventListener('change', () => {
        const { [name]: _, ...others } = now;
        now = select.value === '' ? others : { ...others, [name]: select.value };
        onChange(now);
      });
      return h('label', { class: 'field' }, h('span', {}, name), select);
    }),
  );
}
