import { SERVER_PATH } from '../../api/address.ts';
import type { Client } from '../../api/client.ts';
import type { ModelCard } from '../../api/schema.ts';
import { downloads } from '../../components/downloads.ts';
import { errorNotice } from '../../components/notice.ts';
import { fill, h } from '../../dom.ts';
import { hrefOf } from '../../router.ts';

export interface PromotionOptions {
  readonly client: Client;
  /** The card of the version that the bare name of the model serves. */
  readonly serving: ModelCard;
  /** The version that is shown. */
  readonly version: number;
  readonly signal: AbortSignal;
}

/** Shows which version the name of the model serves, with buttons to change it. */
export function promotion({ client, serving, version, signal }: PromotionOptions): HTMLElement {
  const place = h('div', { class: 'block' });
  const { id: name, versions } = serving;

  const promote = async (chosen: number): Promise<void> => {
    try {
      const path = { id: name, alias: 'production' };
      show(await client.call('setAlias', { path, json: { version: chosen }, signal }));
    } catch (thrown) {
      if (!signal.aborted) fill(place, errorNotice(thrown, { label: 'Back', run: () => show(serving) }));
    }
  };

  const button = (label: string, chosen: number, primary: boolean): HTMLElement =>
    h('button', { type: 'button', class: primary ? 'primary' : '', onclick: () => void promote(chosen) }, label);

  const show = ({ version: answering }: ModelCard): void => {
    const before = versions.filter((each) => each < version).at(-1);
    fill(
      place,
      h('p', { role: 'status' }, `“${name}” serves version ${answering}.`),
      h(
        'div',
        { class: 'row' },
        answering !== version && button(`Promote version ${version}`, version, true),
        answering === version && before !== undefined && button(`Roll back to version ${before}`, before, false),
        h('a', { class: 'button', href: hrefOf(['zoo', name]) }, 'Model card'),
      ),
    );
  };

  show(serving);
  return h(
    'section',
    { class: 'panel block' },
    h('h2', {}, 'Serving'),
    place,
    h('h3', {}, 'Download'),
    downloads(`${name}@${version}`),
    h(
      'p',
      { class: 'small' },
      h(
        'a',
        {
          href: `${SERVER_PATH}/models/${encodeURIComponent(`${name}@${version}`)}/report?format=html`,
          target: '_blank',
        },
        'Report as one HTML file',
      ),
    ),
  );
}
