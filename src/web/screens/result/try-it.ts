import type { Client } from '../../api/client.ts';
import { bars } from '../../components/bars.ts';
import { errorNotice, sentence } from '../../components/notice.ts';
import { acceptDrops, cameraButton, pickButton } from '../../components/picture-input.ts';
import { fill, h } from '../../dom.ts';
import { hrefOf } from '../../router.ts';
import { pictureOf } from '../../session.ts';

export interface TryItOptions {
  readonly client: Client;
  /** Such as `flowers@2`. */
  readonly model: string;
  readonly signal: AbortSignal;
}

/** Asks the new model about a picture, at once. */
export function tryIt({ client, model, signal }: TryItOptions): HTMLElement {
  const answer = h('div', { class: 'tried', 'aria-live': 'polite' });

  const ask = async (file: File): Promise<void> => {
    const { url } = pictureOf(file);
    const place = h('div', { class: 'block' }, h('p', { class: 'muted' }, 'It looks …'));
    fill(answer, h('img', { src: url, alt: file.name, class: 'thumb large' }), place);
    try {
      const query = { model, top_k: 5 };
      const { results } = await client.call('classify', { query, form: [{ name: 'image', value: file }], signal });
      const [result] = results;
      if (result === undefined) return;
      if ('error' in result) fill(place, h('p', { class: 'failure' }, sentence(result.error.detail)));
      else {
        fill(
          place,
          result.unknown === true &&
            h('p', {}, h('span', { class: 'tag caution' }, 'unknown: probably none of its classes')),
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
    h('p', { class: 'muted' }, 'Drop a picture here that it has not seen.'),
    h('div', { class: 'row' }, pickButton('Choose a picture', { onFiles }, true), cameraButton(onFiles)),
    answer,
    h(
      'p',
      { class: 'row small' },
      h('a', { href: hrefOf(['classify'], { model }) }, 'Many pictures at once'),
      h('a', { href: hrefOf(['edge'], { model }) }, 'Run it in this browser'),
    ),
  );
  acceptDrops(panel, onFiles);
  return panel;
}
