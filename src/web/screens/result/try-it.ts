import type { Client } from '../../api/client.ts';
import { patiently } from '../../api/patience.ts';
import { bars } from '../../components/bars.ts';
import { acceptDrops } from '../../components/drops.ts';
import { errorNotice, sentence } from '../../components/notice.ts';
import { cameraButton, pickButton } from '../../components/picture-input.ts';
import { fill, h } from '../../dom.ts';
import { hrefOf } from '../../router.ts';
import { pictureOf } from '../../session.ts';
import { UNKNOWN_TEXT } from '../../sureness.ts';

export interface TryItOptions {
  readonly client: Client;
  /** For example `flowers@2`. */
  readonly model: string;
  readonly signal: AbortSignal;
}

/** Classifies an image with the new model. */
export function tryIt({ client, model, signal }: TryItOptions): HTMLElement {
  const answer = h('div', { class: 'tried', 'aria-live': 'polite' });

  const ask = async (file: File): Promise<void> => {
    const { url } = pictureOf(file);
    const place = h('div', { class: 'block' }, h('p', { class: 'muted' }, 'Classifying …'));
    fill(answer, h('img', { src: url, alt: file.name, class: 'thumb large' }), place);
    try {
      const query = { model, top_k: 5 };
      const form = [{ name: 'image', value: file }];
      const { results } = await patiently(() => client.call('classify', { query, form, signal }), signal);
      const [result] = results;
      if (result === undefined) return;
      if ('error' in result) fill(place, h('p', { class: 'failure' }, sentence(result.error.detail)));
      else {
        fill(
          place,
          result.unknown === true && h('p', {}, h('span', { class: 'tag caution' }, UNKNOWN_TEXT)),
          bars(result.predictions),
        );
      }
    } catch (thrown) {
      if (!signal.aborted) fill(place, errorNotice(thrown));
    } finally {
      URL.revokeObjectURL(url);
    }
  };

  const onFiles = ([file]: readonly File[]): void => {
    if (file) void ask(file);
  };
  const panel = h(
    'section',
    { class: 'panel block' },
    h('h2', {}, 'Try it'),
    h('p', { class: 'muted' }, 'Drop an image here that is not in the data set.'),
    h('div', { class: 'row' }, pickButton('Choose image', { onFiles }, true), cameraButton(onFiles)),
    answer,
    h(
      'p',
      { class: 'row small' },
      h('a', { href: hrefOf(['classify'], { model }) }, 'Classify many images'),
      h('a', { href: hrefOf(['edge'], { model }) }, 'Run in browser'),
    ),
  );
  acceptDrops(panel, onFiles);
  return panel;
}
