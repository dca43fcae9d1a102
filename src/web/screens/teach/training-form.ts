import type { ModelSummary, Operations } from '../../api/schema.ts';
import { type Child, h } from '../../dom.ts';
import type { Draft } from '../../draft.ts';

type Query = Operations['finetune']['query'];

/** What is asked before a training, and the button that begins it. */
export interface TrainingForm {
  readonly element: HTMLElement;
  /** Whether there is something to train on. */
  setReady(ready: boolean): void;
}

/** As the server takes it. */
const MODEL_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;

const PROMOTIONS = [
  ['always', 'at once'],
  ['if_better', 'if it is better than the one that answers now'],
  ['never', 'when I say so'],
] as const;

const SEARCHES = [
  ['none', 'the defaults, which suit most data'],
  ['quick', 'a quick search for better settings'],
  ['thorough', 'a thorough search'],
] as const;

export function trainingForm(
  models: readonly ModelSummary[],
  draft: Draft,
  onTrain: (query: Query) => void,
): TrainingForm {
  const name = h('input', {
    type: 'text',
    value: draft.modelName,
    placeholder: 'flowers',
    autocomplete: 'off',
    spellcheck: 'false',
    maxlength: 64,
    'aria-describedby': 'name-hint',
  });
  const hint = h('span', { class: 'hint', id: 'name-hint' });
  const backbone = select([['', 'the default of this server'], ...models.map(({ id }) => [id, id] as const)], '');
  const promote = select(PROMOTIONS, 'always');
  const search = select(SEARCHES, 'none');
  const train = h('button', { type: 'submit', class: 'primary' }, 'Train');
  const whyNot = h('span', { class: 'muted' });
  let ready = false;

  const check = (): void => {
    const given = name.value.trim();
    const fits = MODEL_NAME.test(given);
    const known = models.find(({ id }) => id === given);
    name.setAttribute('aria-invalid', String(given !== '' && !fits));
    hint.textContent =
      given !== '' && !fits
        ? 'Lower-case letters, digits, - and _, beginning with a letter or digit.'
        : known
          ? `There is a “${given}”: this becomes its version ${Math.max(...known.versions) + 1}.`
          : 'What you will call it when you ask it.';
    train.disabled = !ready || !fits;
    whyNot.textContent = ready ? (fits ? '' : 'Give it a name first.') : 'The pictures come first.';
  };
  name.addEventListener('input', () => {
    draft.modelName = name.value.trim();
    check();
  });

  const element = h(
    'form',
    { class: 'panel block' },
    h(
      'div',
      { class: 'fields' },
      field('Name of the model', name, hint),
      field('Backbone', backbone, h('span', { class: 'hint' }, 'The network whose sight it borrows.')),
      field('Answers', promote, h('span', { class: 'hint' }, 'When the new version takes over its name.')),
      field('Settings', search, h('span', { class: 'hint' }, 'A search takes longer and can gain a little.')),
    ),
    h('div', { class: 'row' }, train, whyNot),
  );
  const submit = (): void =>
    onTrain({
      name: name.value.trim(),
      backbone: backbone.value === '' ? undefined : backbone.value,
      promote: PROMOTIONS.find(([value]) => value === promote.value)?.[0],
      search: SEARCHES.find(([value]) => value === search.value)?.[0],
    });
  element.addEventListener('submit', (event) => {
    event.preventDefault();
    if (!train.disabled) submit();
  });
  check();
  return {
    element,
    setReady: (now) => {
      ready = now;
      check();
    },
  };
}

function field(label: string, control: HTMLElement, hint: Child): HTMLElement {
  return h('label', { class: 'field' }, h('span', {}, label), control, hint);
}

function select(options: readonly (readonly [value: string, text: string])[], chosen: string): HTMLSelectElement {
  return h(
    'select',
    {},
    options.map(([value, text]) => h('option', { value, selected: value === chosen }, text)),
  );
}
