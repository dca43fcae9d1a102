import { SERVER_PATH } from '../api/address.ts';
import { addressOf } from '../api/client.ts';
import type { Operations } from '../api/schema.ts';
import { h, icon } from '../dom.ts';

type Format = NonNullable<Operations['exportModel']['query']['format']>;

/** Every format, as its button is named. */
const FORMATS: Readonly<Record<Format, string>> = {
  onnx: 'ONNX',
  tfjs: 'TF.js',
  safetensors: 'safetensors',
  triton: 'Triton',
};

/** Links that download a model in each format. */
export function downloads(id: string): HTMLElement {
  return h(
    'div',
    { class: 'row' },
    (Object.keys(FORMATS) as Format[]).map((format) =>
      h(
        'a',
        {
          class: 'button compact',
          href: SERVER_PATH + addressOf('exportModel', { path: { id }, query: { format } }),
          download: true,
        },
        icon('down'),
        FORMATS[format],
      ),
    ),
  );
}
