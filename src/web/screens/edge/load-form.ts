import type { ModelSummary } from '../../api/schema.ts';
import { type Child, h, icon } from '../../dom.ts';
import type { LoadOptions } from '../../edge/model.ts';

/** A model that can be chosen. */
export type Choosable = Pick<ModelSummary, 'id'> & Partial<Pick<ModelSummary, 'default'>>;

/** The model to load, and how. */
export type LoadRequest = Pick<LoadOptions, 'id' | 'backend' | 'quantize'>;

const WEIGHTS = [
  ['float32', 'float32, exact'],
  ['float16', 'float16, half the size'],
  ['uint8', 'uint8, a quarter of the size'],
] as const;

const BACKENDS = [
  ['auto', 'The fastest that works'],
  ['webgpu', 'Graphics card (WebGPU)'],
  ['webgl', 'Graphics card (WebGL)'],
  ['wasm', 'Processor (WebAssembly)'],
  ['cpu', 'Processor (JavaScript)'],
] as const;

/** A form to choose a model to load into the browser. @param asked the model in the address */
export function loadForm(
  models: readonly Choosable[],
  asked: string | null,
  onLoad: (request: LoadRequest) => void,
): HTMLElement {
  const known = models.map(({ id }) => id);
  // The address may name a version, which is not in the list.
  const ids = asked === null || known.includes(asked) ? known : [asked, ...known];
  const model = select(
    ids.map((id) => [id, id]),
    asked ?? (models.find((each) => each.default) ?? models[0])?.id,
  );
  const weights = select(WEIGHTS);
  const backend = select(BACKENDS);
  return h(
    'form',
    {
      class: 'panel block',
      onsubmit: (event: SubmitEvent) => {
        event.preventDefault();
        onLoad({
          id: model.value,
          quantize: chosen(WEIGHTS, weights.value),
          backend: chosen(BACKENDS, backend.value),
        });
      },
    },
    h('div', { class: 'fields three' }, field('Model', model), field('Weights', weights), field('Run on', backend)),
    h('div', { class: 'row' }, h('button', { type: 'submit', class: 'primary' }, icon('down'), 'Load model')),
  );
}

function chosen<T extends string>(options: readonly (readonly [T, string])[], value: string): T {
  const found = options.find(([each]) => each === value) ?? options[0];
  if (found === undefined) throw new Error('There is no option to choose.');
  return found[0];
}

function field(label: string, control: HTMLElement): Child {
  return h('label', { class: 'field' }, h('span', {}, label), control);
}

function select(options: readonly (readonly [value: string, text: string])[], selected?: string): HTMLSelectElement {
  return h(
    'select',
    {},
    options.map(([value, text]) => h('option', { value, selected: value === selected }, text)),
  );
}
