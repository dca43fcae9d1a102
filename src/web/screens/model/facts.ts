import type { ModelCard, Quantization, RoundedWeights } from '../../api/schema.ts';
import { type Child, h } from '../../dom.ts';
import { bytes, count, large, percent } from '../../format.ts';

/** The facts of a model card. */
export function facts(card: ModelCard, speed: HTMLElement): HTMLElement {
  const { input, preprocessing, weights, formats } = card;
  const fact = (name: string, value: Child): HTMLElement => h('div', {}, h('dt', {}, name), h('dd', {}, value));
  return h(
    'dl',
    { class: 'facts wide' },
    fact('Architecture', architectureOf(card)),
    fact('Parameters', large(card.parameters)),
    fact('Input', `${input.height} × ${input.width}, ${preprocessing.interpolation}, ${fitOf(preprocessing)}`),
    fact('Features', count(card.num_features)),
    fact('Weights', bytes(weights.size_bytes)),
    fact('ONNX file', formats.onnx ? bytes(formats.onnx.size_bytes) : 'converted on first use'),
    roundedForms(card).map(([name, form]) => fact(name, form)),
    fact('Licence', card.license),
    fact('Speed on this server', speed),
    card.novelty &&
      h('div', { class: 'whole' }, h('dt', {}, 'Images of other things'), h('dd', {}, otherThings(card.novelty))),
  );
}

/** The variant int8, and the weights of TensorFlow.js that were compared with floats: name and words of each. */
function roundedForms({
  quantization,
  rounded_weights: { float16, uint8 } = {},
}: ModelCard): (readonly [string, string])[] {
  const int8 = quantization && besideFloats(quantization, quantization.accuracy?.int8);
  return [
    ['8-bit integers', int8 ?? 'not made'],
    ...(float16 ? [['TF.js weights, float16', besideFloats(float16, float16.accuracy?.rounded)] as const] : []),
    ...(uint8 ? [['TF.js weights, uint8', besideFloats(uint8, uint8.accuracy?.rounded)] as const] : []),
  ];
}

/** @param rounded accuracy of the rounded form, when it is known */
function besideFloats(
  { size_bytes, agreement, images, accuracy, speed }: Quantization | RoundedWeights,
  rounded: number | undefined,
): string {
  const right = accuracy && rounded !== undefined && `top-1 ${percent(rounded)} instead of ${percent(accuracy.float)}`;
  const same = `same class on ${percent(agreement, 0)} of ${count(images)} images`;
  const parts = [bytes(size_bytes), right, same, `${speed.ratio.toFixed(1)} times as fast`];
  return parts.filter((part) => typeof part === 'string').join(', ');
}

/** How well the detector tells images that show none of the classes. */
function otherThings({ accepted, detector, softmax }: NonNullable<ModelCard['novelty']>): string {
  const own = accepted !== undefined && `${percent(accepted, 0)} of held-out images of its classes are recognised`;
  const others =
    detector &&
    `where 95% of these are, ${percent(detector.false_positives, 0)} of other things are taken for a class` +
      (softmax ? ` (by the highest score alone: ${percent(softmax.false_positives, 0)})` : '');
  return ['Answered “unknown”', own, others].filter((part) => typeof part === 'string').join('; ');
}

/** How photos of another shape are fitted. */
function fitOf({ resize_mode, crop_pct }: ModelCard['preprocessing']): string {
  const share = `${percent(crop_pct, 0)} crop`;
  if (resize_mode === 'crop') return share;
  const mode = { stretch: 'stretched', pad: 'padded' }[resize_mode];
  return crop_pct === 1 ? mode : `${mode}, ${share}`;
}

/** The accuracy on each data set. */
export function accuracyTable({ accuracy }: ModelCard): HTMLElement {
  if (accuracy.length === 0) return h('p', { class: 'muted' }, 'Not measured.');
  const share = (value: number | undefined): string => (value === undefined ? '–' : percent(value / 100));
  return h(
    'table',
    { class: 'table' },
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        h('th', { scope: 'col' }, 'Data set'),
        ['Images', 'Top-1', 'Top-5'].map((name) => h('th', { scope: 'col', class: 'number' }, name)),
      ),
    ),
    h(
      'tbody',
      {},
      accuracy.map(({ dataset, images, top1, top5 }) =>
        h(
          'tr',
          {},
          h('th', { scope: 'row' }, dataset),
          [count(images), share(top1), share(top5)].map((text) => h('td', { class: 'number' }, text)),
        ),
      ),
    ),
  );
}

/** The origin and training of a model, as far as they are known. */
export function provenanceList({ provenance = {}, training = {}, weights }: ModelCard): HTMLElement {
  const entries: readonly (readonly [string, unknown])[] = [
    ...Object.entries(provenance),
    ...Object.entries(training),
    ['weights_sha256', weights.sha256],
  ];
  return h(
    'dl',
    { class: 'origin small' },
    entries.map(([name, value]) => [
      h('dt', {}, name.replaceAll('_', ' ')),
      h('dd', {}, typeof value === 'string' ? value : JSON.stringify(value)),
    ]),
  );
}

function architectureOf({ architecture }: ModelCard): string {
  return typeof architecture === 'string' ? architecture : String(architecture.family ?? '–');
}
