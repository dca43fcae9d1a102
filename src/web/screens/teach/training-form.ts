import type { ModelSummary } from '../../api/schema.ts';
import { fill, h } from '../../dom.ts';
import type { TrainingOptions } from '../../draft/draft.ts';

/** The options of a training, and the button that starts it. */
export interface TrainingForm {
  readonly element: HTMLElement;
  /** @param missing why there can be no training yet @param locked whether a data set is on its way */
  update(options: TrainingOptions, missing: string | undefined, locked: boolean): void;
}

/** The names that the server accepts. */
const MODEL_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;
/** Minutes of a thorough search, as the server takes them. */
const BUDGET = { min: 1, max: 1_440, usual: 10 };

type Choices<V extends string> = readonly (readonly [value: V, text: string])[];

const PROMOTIONS: Choices<NonNullable<TrainingOptions['promote']>> = [
  ['always', 'At once'],
  ['if_better', 'If it is better than the present version'],
  ['never', 'When I say so'],
];

const DEPTHS: Choices<NonNullable<TrainingOptions['depth']>> = [
  ['head', 'The head alone: fast'],
  ['last_stage', 'The last stage of the network too: slow'],
];

const SEARCHES: Choices<NonNullable<TrainingOptions['search']>> = [
  ['none', 'None: the defaults suit most'],
  ['quick', 'Quick'],
  ['thorough', 'Thorough'],
];

const PREFERENCES: Choices<NonNullable<TrainingOptions['prefer']>> = [
  ['accuracy', 'The most accurate model'],
  ['balanced', 'The fastest within two points of it'],
  ['speed', 'The fastest model'],
];

const AUGMENTATIONS: Choices<'usual' | 'robust' | 'none'> = [
  ['usual', 'Usual'],
  ['robust', 'Robust'],
  ['none', 'None'],
];

const WEIGHTS: Choices<NonNullable<TrainingOptions['class_weights']>> = [
  ['none', 'Every image counts the same'],
  ['balanced', 'Every class counts the same'],
];

const PRIORITIES: Choices<NonNullable<TrainingOptions['priority']>> = [
  ['normal', 'In its turn'],
  ['low', 'When nothing else waits'],
];

/** @param onChange called with the options that differ @param onTrain called when the form may be sent */
export function trainingForm(
  models: readonly ModelSummary[],
  onChange: (options: TrainingOptions) => void,
  onTrain: () => void,
): TrainingForm {
  let shown: TrainingOptions = {};
  let why: string | undefined;
  const name = h('input', {
    type: 'text',
    placeholder: 'flowers',
    autocomplete: 'off',
    autocapitalize: 'none',
    spellcheck: 'false',
    maxlength: 64,
    'aria-describedby': 'name-hint',
  });
  name.addEventListener('input', () => onChange({ name: name.value.trim() }));
  const nameHint = h('span', { class: 'hint', id: 'name-hint' });

  const backbone = choice(
    'Network',
    'The pretrained network that looks at the images. A thorough search compares all that are here, unless you choose one.',
    [['', 'Default of this server'], ...models.map(({ id }) => [id, id] as const)],
    (value) => onChange({ backbone: value === '' ? undefined : value }),
  );
  const depth = choice(
    'What is trained',
    'The last stage helps where the images are unlike everyday photos, such as scans or drawings. It takes many times as long.',
    DEPTHS,
    (value) => onChange({ depth: value }),
  );
  const search = choice(
    'Search for better settings',
    'A quick search takes a few times as long as none. A thorough one also compares networks, for as long as you allow.',
    SEARCHES,
    (value) => onChange({ search: value, budget_minutes: undefined, prefer: undefined }),
  );
  const budget = h('input', { type: 'number', min: BUDGET.min, max: BUDGET.max, step: 1, inputmode: 'numeric' });
  budget.addEventListener('change', () => {
    const minutes = Math.round(Number(budget.value)) || BUDGET.usual;
    onChange({ budget_minutes: Math.min(BUDGET.max, Math.max(BUDGET.min, minutes)) });
  });
  const minutes = field('Minutes for the search', budget, 'It ends earlier when there is nothing left to try.');
  const prefer = choice(
    'Take from the search',
    'A larger network is often more accurate, and answers more slowly.',
    PREFERENCES,
    (value) => onChange({ prefer: value }),
  );
  const augmentation = choice(
    'Augmentation',
    'The network also learns from changed copies of the images. Robust copies are changed more: for a model that will see worse photos than these. None is fastest.',
    AUGMENTATIONS,
    (value) =>
      onChange({
        augmentation: value === 'robust' ? 'robust' : undefined,
        copies: value === 'none' ? 0 : undefined,
      }),
  );
  const weights = choice(
    'Rare classes',
    'Let classes count the same where some have far fewer images but matter as much.',
    WEIGHTS,
    (value) => onChange({ class_weights: value === 'none' ? undefined : value }),
  );
  const promote = choice(
    'The new version serves',
    'When requests to this name begin to get its answers. Each version can be called by its number.',
    PROMOTIONS,
    (value) => onChange({ promote: value }),
  );
  const priority = choice(
    'When it is trained',
    'Trainings wait for each other. Let those that are not urgent wait for all others.',
    PRIORITIES,
    (value) => onChange({ priority: value === 'normal' ? undefined : value }),
  );

  const train = h('button', { type: 'submit', class: 'primary' }, 'Train');
  const whyNot = h('span', { class: 'muted' });
  const changed = h('span', { class: 'muted' });
  const fields = h(
    'fieldset',
    { class: 'block' },
    h('div', { class: 'fields' }, field('Model name', name, nameHint)),
    h(
      'details',
      {},
      h('summary', {}, 'More settings', changed),
      h('div', { class: 'fields' }, [
        backbone.element,
        depth.element,
        augmentation.element,
        search.element,
        minutes,
        prefer.element,
        weights.element,
        promote.element,
        priority.element,
      ]),
    ),
    h('div', { class: 'row' }, train, whyNot),
  );
  const element = h('form', { class: 'panel' }, fields);
  element.addEventListener('submit', (event) => {
    event.preventDefault();
    if (!train.disabled && !fields.disabled) onTrain();
  });

  const draw = (): void => {
    const given = shown.name ?? '';
    if (name.value.trim() !== given) name.value = given;
    const fits = MODEL_NAME.test(given);
    const known = models.find(({ id }) => id === given);
    name.setAttribute('aria-invalid', String(given !== '' && !fits));
    fill(
      nameHint,
      given !== '' && !fits
        ? 'Use lower-case letters, digits, - and _. Start with a letter or digit.'
        : known
          ? `“${given}” exists: this will be version ${Math.max(...known.versions) + 1}.`
          : 'The name that requests will use.',
    );
    backbone.set(shown.backbone ?? '');
    depth.set(shown.depth ?? 'head');
    search.set(shown.search ?? 'none');
    budget.value = String(shown.budget_minutes ?? BUDGET.usual);
    prefer.set(shown.prefer ?? 'accuracy');
    augmentation.set(shown.copies === 0 ? 'none' : shown.augmentation === 'robust' ? 'robust' : 'usual');
    weights.set(shown.class_weights ?? 'none');
    promote.set(shown.promote ?? 'always');
    priority.set(shown.priority ?? 'normal');
    minutes.hidden = shown.search !== 'thorough';
    prefer.element.hidden = shown.search !== 'thorough';
    fill(changed, differences([backbone, depth, augmentation, search, weights, promote, priority]));
    train.disabled = why !== undefined || !fits;
    fill(whyNot, why ?? (!fits && 'Enter a model name.'));
  };
  draw();
  return {
    element,
    update(options, missing, locked) {
      shown = options;
      why = missing;
      fields.disabled = locked;
      draw();
    },
  };
}

interface Choice<V extends string> {
  readonly element: HTMLElement;
  readonly select: HTMLSelectElement;
  set(value: V): void;
}

function choice<V extends string>(
  label: string,
  hint: string,
  options: Choices<V>,
  onChoose: (value: V) => void,
): Choice<V> {
  const select = h(
    'select',
    {},
    options.map(([value, text]) => h('option', { value }, text)),
  );
  select.addEventListener('change', () => {
    const chosen = options.find(([value]) => value === select.value);
    if (chosen) onChoose(chosen[0]);
  });
  return {
    element: field(label, select, hint),
    select,
    set: (value) => {
      select.value = value;
    },
  };
}

/** The choices that are not the first ones, for the closed list of settings. */
function differences(choices: readonly Pick<Choice<string>, 'select' | 'element'>[]): string {
  const differing = choices.filter(({ select }) => select.selectedIndex > 0);
  if (differing.length === 0) return '';
  return `: ${differing.map(({ select }) => (select.selectedOptions[0]?.textContent ?? '').split(':')[0]).join(', ')}`;
}

function field(label: string, control: HTMLElement, hint: string | HTMLElement): HTMLElement {
  const explained = typeof hint === 'string' ? h('span', { class: 'hint' }, hint) : hint;
  return h('label', { class: 'field' }, h('span', {}, label), control, explained);
}
