import type { ModelSummary, Operations } from '../../api/schema.ts';
import { type Child, h } from '../../dom.ts';
import type { Draft } from '../../draft.ts';

type Query = Operations['finetune']['query'];

/** The options of a training, and the button that starts it. */
export interface TrainingForm {
  readonly element: HTMLElement;
  /** Says whether the data set is ready. */
  setReady(ready: boolean): void;
}

/** The names that the server accepts. */
const MODEL_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;

const PROMOTIONS = [
  ['always', 'Immediately'],
  ['if_better', 'If it is better than the current version'],
  ['never', 'Manually'],
] as const;

const SEARCHES = [
  ['none', 'Defaults, which suit most data sets'],
  ['quick', 'Quick search'],
  ['thorough', 'Thorough search, for up to ten minutes'],
] as const;

const PREFERENCES = [
  ['accuracy', 'The most accurate model'],
  ['balanced', 'The fastest within two points of it'],
  ['speed', 'The fastest model'],
] as const;

const DEPTHS = [
  ['head', 'The head: fast'],
  ['last_stage', 'The last stage of the backbone too: slow'],
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
  const backbone = select([['', 'Default of this server'], ...models.map(({ id }) => [id, id] as const)], '');
  const promote = select(PROMOTIONS, 'always');
  const search = select(SEARCHES, 'none');
  const prefer = select(PREFERENCES, 'accuracy');
  const preference = field('Preference', prefer, h('span', { class: 'hint' }, 'What a thorough search takes.'));
  const showPreference = (): void => {
    preference.hidden = search.value !== 'thorough';
  };
  search.addEventListener('change', showPreference);
  showPreference();
  const depth = select(DEPTHS, 'head');
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
        ? 'Use lower-case letters, digits, - and _. Start with a letter or digit.'
        : known
          ? `“${given}” exists: this will be version ${Math.max(...known.versions) + 1}.`
          : 'The name that requests will use.';
    train.disabled = !ready || !fits;
    whyNot.textContent = ready ? (fits ? '' : 'Enter a model name.') : 'Add images first.';
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
      field('Model name', name, hint),
      field('Backbone', backbone, h('span', { class: 'hint' }, 'The pretrained network that extracts the features.')),
      field('Promotion', promote, h('span', { class: 'hint' }, 'When the new version starts to serve this name.')),
      field(
        'Hyperparameters',
        search,
        h(
          'span',
          { class: 'hint' },
          'A search takes longer. A thorough one also compares all backbones here, unless you choose one.',
        ),
      ),
      preference,
      field(
        'What is trained',
        depth,
        h('span', { class: 'hint' }, 'The last stage helps where the images are unlike photos. It can take minutes.'),
      ),
    ),
    h('div', { class: 'row' }, train, whyNot),
  );
  const submit = (): void =>
    onTrain({
      name: name.value.trim(),
      backbone: backbone.value === '' ? undefined : backbone.value,
      promote: PROMOTIONS.find(([value]) => value === promote.value)?.[0],
      depth: DEPTHS.find(([value]) => value === depth.value)?.[0],
      search: SEARCHES.find(([value]) => value === search.value)?.[0],
      ...(search.value === 'thorough' && { prefer: PREFERENCES.find(([value]) => value === prefer.value)?.[0] }),
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
