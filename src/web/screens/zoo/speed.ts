import type { Client } from '../../api/client.ts';
import { sentence } from '../../components/notice.ts';
import { fill, h, icon } from '../../dom.ts';
import { milliseconds } from '../../format.ts';
import type { Session, Speed } from '../../session.ts';
import { measureSpeed } from './measure.ts';

/** The measured speed of a model, or a button that measures it. */
export function speedView(client: Client, session: Session, model: string, signal: AbortSignal): HTMLElement {
  const place = h('span', { class: 'speed', role: 'status' });
  const measure = (): void => {
    fill(place, h('span', { class: 'muted' }, 'Measuring …'));
    measureSpeed(client, model, signal).then(
      (speed) => {
        session.speeds.set(model, speed);
        show(speed);
      },
      (thrown: unknown) => {
        if (signal.aborted) return;
        const reason = thrown instanceof Error ? thrown.message : String(thrown);
        fill(place, h('span', { class: 'failure small' }, sentence(reason)), button('Measure again'));
      },
    );
  };
  const button = (label: string): HTMLElement =>
    h(
      'button',
      { type: 'button', class: 'compact', 'aria-label': `${label} the speed of ${model}`, onclick: measure },
      icon('gauge'),
      label,
    );
  const show = ({ aloneMs, inferenceMs, perSecond }: Speed): void =>
    fill(
      place,
      h(
        'span',
        { title: `Measured from this page over HTTP. Inference takes ${milliseconds(inferenceMs)} of the time.` },
        `${milliseconds(aloneMs)}, ${Math.round(perSecond)} images/s`,
      ),
    );
  const known = session.speeds.get(model);
  if (known) show(known);
  else fill(place, button('Measure'));
  return place;
}
