import type { TestReport } from '../../api/schema.ts';
import { fill, h } from '../../dom.ts';
import { counted, percent } from '../../format.ts';

type Unknown = TestReport['unknown'];

/** What a threshold on the confidence would do on the held-out images. `right` is undefined when nothing is answered. */
interface AtThreshold {
  /** Share of the images that are answered. */
  readonly answered: number;
  /** Share of these that are answered correctly. */
  readonly right: number | undefined;
}

/** @param curve points by ascending threshold */
function atThreshold(curve: Unknown['curve'], threshold: number): AtThreshold {
  const point = curve.find((each) => each.threshold >= threshold);
  return { answered: point?.coverage ?? 0, right: point?.accuracy };
}

/** Lets the user try thresholds on the confidence below which an answer is not taken. */
export function thresholdChoice({ unknown, images }: TestReport): HTMLElement {
  const start = Math.floor(unknown.threshold * 100) / 100;
  const slider = h('input', {
    type: 'range',
    min: 0,
    max: 1,
    step: 0.01,
    value: start,
    'aria-labelledby': 'threshold',
  });
  const label = h('span', { id: 'threshold' });
  const outcome = h('p', { class: 'outcome', role: 'status' });
  const draw = (): void => {
    const threshold = Number(slider.value);
    const { answered, right } = atThreshold(unknown.curve, threshold);
    slider.setAttribute('aria-valuetext', percent(threshold, 0));
    fill(label, `Take answers that are at least ${percent(threshold, 0)} sure`);
    fill(
      outcome,
      right === undefined
        ? `Answers none of ${counted(images, 'image')}.`
        : ['Answers ', h('strong', {}, percent(answered)), ', right ', h('strong', {}, percent(right)), ' of those.'],
    );
  };
  slider.addEventListener('input', draw);
  draw();
  return h(
    'section',
    { class: 'panel block threshold' },
    h('h2', {}, 'If a wrong answer costs more than none'),
    h('label', { class: 'field' }, label, slider),
    outcome,
    h(
      'p',
      { class: 'muted small' },
      `Of ${counted(images, 'held-out image')}. `,
      unknown.reached
        ? `${percent(unknown.threshold)} was chosen on other images, and halves the mistakes there. `
        : 'On other images no threshold made the answers reliable enough. ',
      'Programs compare the score of an answer with it.',
    ),
  );
}
