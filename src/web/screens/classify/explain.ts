import type { Client } from '../../api/client.ts';
import { patiently } from '../../api/patience.ts';
import type { Explanation } from '../../api/schema.ts';
import { openDialog } from '../../components/dialog.ts';
import { drawHeatmap } from '../../components/heatmap.ts';
import { errorNotice } from '../../components/notice.ts';
import { type Child, fill, h } from '../../dom.ts';
import { milliseconds, percent } from '../../format.ts';
import type { SessionPicture } from '../../session.ts';

const METHODS: Readonly<Record<Explanation['method'], string>> = {
  cam: 'Exact: the score of the class is the sum of the contributions of these areas (class activation map).',
  grad_cam: 'Approximate: by the gradient of the score at the last convolution (Grad-CAM).',
};

/** Initial opacity of the hottest place, in percent. */
const OPACITY = 65;

/** Opens a dialog that shows which areas of an image support a class. */
export function explainPicture(
  client: Client,
  picture: SessionPicture,
  models: readonly string[],
  titleOf: (model: string) => string,
): void {
  const ended = new AbortController();
  let asking = new AbortController();
  const canvas = h('canvas', { class: 'heat', '--opacity': OPACITY / 100 });
  const told = h('div', { class: 'told', 'aria-live': 'polite' });
  const choice = h('div', { class: 'block' });
  const slider = h('input', { type: 'range', min: 0, max: 100, value: OPACITY, id: 'opacity' });
  slider.addEventListener('input', () => canvas.style.setProperty('--opacity', String(slider.valueAsNumber / 100)));

  const ask = async (model: string, asked: string): Promise<void> => {
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    fill(told, h('p', { class: 'muted' }, 'Computing the heatmap …'));
    try {
      const request = () =>
        client.call('explain', {
          query: { model, class: asked },
          form: [{ name: 'image', value: picture.file }],
          signal,
        });
      const explanation = await patiently(request, signal);
      drawHeatmap(canvas, explanation);
      canvas.setAttribute('aria-label', `Heatmap for ${explanation.class.label}`);
      fill(told, words(explanation));
    } catch (thrown) {
      if (signal.aborted) return;
      canvas.width = 0;
      fill(told, errorNotice(thrown, { label: 'Try again', run: () => void ask(model, asked) }));
    }
  };

  const answered = models.filter((model) => picture.answers.get(model)?.state === 'answered');
  const showModel = (model: string): void => {
    const answer = picture.answers.get(model);
    if (answer?.state !== 'answered') return;
    const { predictions } = answer.result;
    const [first] = predictions;
    fill(
      choice,
      answered.length > 1 &&
        radios(
          'Model',
          'explained-model',
          answered.map((id) => ({ value: id, label: titleOf(id) })),
          model,
          showModel,
        ),
      radios(
        'Class',
        'explained-class',
        predictions.map(({ index, label, score }) => ({ value: String(index), label, note: percent(score) })),
        String(first?.index),
        (index) => void ask(model, index),
      ),
      otherClass((label) => void ask(model, label)),
    );
    if (first) void ask(model, String(first.index));
  };

  const content = h(
    'div',
    { class: 'explain' },
    h('figure', { class: 'seen' }, h('img', { src: picture.url, alt: picture.file.name }), canvas),
    h(
      'div',
      { class: 'block' },
      choice,
      h('label', { class: 'field' }, h('span', {}, 'Heatmap opacity'), slider),
      told,
    ),
  );
  canvas.setAttribute('role', 'img');
  openDialog(picture.file.name, content, () => {
    ended.abort();
    asking.abort();
  });
  const [first] = answered;
  if (first !== undefined) showModel(first);
}

function words({ class: found, method, heatmap, timings }: Explanation): Child {
  const nothing = heatmap.values.every((row) => row.every((value) => value === 0));
  return [
    h(
      'p',
      {},
      nothing
        ? `Nothing in the image supports ${found.label}.`
        : ['Red areas support ', h('strong', {}, found.label), ` the most. Its score is ${percent(found.score)}.`],
    ),
    h('p', { class: 'small muted' }, METHODS[method]),
    h(
      'p',
      { class: 'small muted' },
      `Resolution: ${heatmap.width} × ${heatmap.height}. Computed in ${milliseconds(timings.total_ms)}.`,
    ),
  ];
}

interface Option {
  readonly value: string;
  readonly label: string;
  readonly note?: string;
}

function radios(
  legend: string,
  name: string,
  options: readonly Option[],
  chosen: string,
  onChoose: (value: string) => void,
): HTMLElement {
  return h(
    'fieldset',
    { class: 'radios' },
    h('legend', { class: 'legend' }, legend),
    options.map(({ value, label, note }) =>
      h(
        'label',
        {},
        h('input', { type: 'radio', name, value, checked: value === chosen, onchange: () => onChoose(value) }),
        h('span', { class: 'label', title: label }, label),
        note !== undefined && h('span', { class: 'number muted' }, note),
      ),
    ),
  );
}

function otherClass(onAsk: (label: string) => void): HTMLElement {
  const input = h('input', {
    type: 'search',
    placeholder: 'Another class',
    'aria-label': 'Name of another class',
  });
  return h(
    'form',
    {
      class: 'row other',
      onsubmit: (event: SubmitEvent) => {
        event.preventDefault();
        const label = input.value.trim();
        if (label !== '') onAsk(label);
      },
    },
    input,
    h('button', { type: 'submit' }, 'Show'),
  );
}
