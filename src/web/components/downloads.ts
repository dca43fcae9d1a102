import { addressOf } from '../api/client.ts';
import { h, icon } from '../dom.ts';

const FORMATS = [
  ['onnx', 'ONNX'],
  ['tfjs', 'TF.js'],
  ['safetensors', 'safetensors'],
] as const;

/** Links that download a model in each format. */
export function downloads(id: string): HTMLElement {
  return h(
    'div',
    { class: 'row' },
    FORMATS.map(([format, name]) =>
      h(
        'a',
        {
          class: 'button compact',
          href: addressOf('exportModel', { path: { id }, query: { format } }),
          download: true,
        },
        icon('down'),
        name,
      ),
    ),
  );
}
