import { type Content, html, type Markup } from './report-markup.ts';
import type { TestReport } from './report-schema.ts';
import { percent } from './report-verdict.ts';

/** Pictures as data URIs, by the name of the image. */
export type Thumbnails = ReadonlyMap<string, string>;

/** More classes than these make a table that nobody can read: then those with the most mistakes are shown. */
const MAX_MATRIX_CLASSES = 20;
/** More classes than these need smaller cells to stand side by side. */
const DENSE_FROM = 12;
/** From this share on a cell is dark enough for the inverse colour of text. */
const DARK_CELL = 0.6;

/** Heat map of labels (rows) against answers (columns), each row coloured by its shares. */
export function confusionMatrix({ confusion, per_class }: TestReport): Markup {
  const shown = mostMistaken(confusion);
  const name = (index: number): string => per_class[index]?.class ?? '';
  const row = (label: number): Markup => {
    const counts = confusion[label] ?? [];
    const total = counts.reduce((sum, count) => sum + count, 0);
    const cells = shown.map((predicted) => {
      const count = counts[predicted] ?? 0;
      const share = total === 0 ? 0 : count / total;
      const kinds = [
        count === 0 ? 'none' : share >= DARK_CELL ? 'full' : '',
        label === predicted ? 'right' : '',
      ].filter((kind) => kind !== '');
      return html`<td class="${kinds.join(' ')}" style="--share:${Math.round(share * 100)}%" title="${`${count} of ${total} images of ${name(label)} answered as ${name(predicted)}`}">${count}</td>`;
    });
    return html`<tr><th scope="row" title="${name(label)}">${name(label)}</th>${cells}</tr>`;
  };
  const cut = shown.length < confusion.length;
  return html`<div class="scroll"><table class="${shown.length > DENSE_FROM ? 'matrix dense' : 'matrix'}">
<caption>A row for each class as it is, a column for each answer; the diagonal is right.${cut ? ` The ${shown.length} of ${confusion.length} classes with the most mistakes.` : ''}</caption>
<thead><tr><td></td>${shown.map((index) => html`<th scope="col" title="${name(index)}"><span>${name(index)}</span></th>`)}</tr></thead>
<tbody>${shown.map(row)}</tbody></table></div>`;
}

/** The pairs of classes that are mistaken most often, with images where there are thumbnails. */
export function confusedPairs({ confused_pairs }: TestReport, thumbnails: Thumbnails): Markup {
  if (confused_pairs.length === 0) return html`<p>No test image was answered wrong.</p>`;
  const rows = confused_pairs.map(({ label, predicted, count, share, examples }) => {
    const pictures = examples.flatMap((image) => {
      const source = thumbnails.get(image);
      return source === undefined ? [] : [html`<img src="${source}" alt="${image}" title="${image}">`];
    });
    const shown: Content =
      pictures.length > 0 ? html`<span class="samples">${pictures}</span>` : examples.slice(0, 2).join(', ');
    return html`<tr><th scope="row">${label} → ${predicted}</th><td>${count}</td><td>${percent(share)}</td><td class="text file">${shown}</td></tr>`;
  });
  return html`<div class="scroll"><table>
<thead><tr><th scope="col">Class → answer</th><th scope="col">Images</th><th scope="col">Of the class</th><th scope="col" class="text">For example</th></tr></thead>
<tbody>${rows}</tbody></table></div>`;
}

/** Images with what they are, what was answered and how surely. */
export function imageList(images: TestReport['least_certain'], thumbnails: Thumbnails, none: string): Markup {
  if (images.length === 0) return html`<p>${none}</p>`;
  return html`<ul class="images">${images.map(({ image, label, predicted, confidence }) => {
    const source = thumbnails.get(image);
    const picture = source === undefined ? undefined : html`<img src="${source}" alt="">`;
    const truth = label === predicted ? 'right' : `in truth ${label}`;
    return html`<li>${picture}<b>${predicted}, ${percent(confidence)}</b>${truth}<span class="file">${image}</span></li>`;
  })}</ul>`;
}

/** Precision, recall and F1 of each class, the worst first. */
export function classTable({ per_class, macro_f1 }: TestReport): Markup {
  const rows = per_class
    .toSorted((a, b) => a.f1 - b.f1)
    .map((row) =>
      row.support === 0
        ? html`<tr><th scope="row">${row.class}</th><td>${row.precision === 0 ? '–' : percent(row.precision)}</td><td>–</td><td>–</td><td>0</td></tr>`
        : html`<tr><th scope="row">${row.class}</th><td>${percent(row.precision)}</td><td>${percent(row.recall)}</td><td>${percent(row.f1)}</td><td>${row.support}</td></tr>`,
    );
  const total = per_class.reduce((sum, { support }) => sum + support, 0);
  return html`<div class="scroll"><table>
<thead><tr><th scope="col">Class</th><th scope="col">Precision</th><th scope="col">Recall</th><th scope="col">F1</th><th scope="col">Test images</th></tr></thead>
<tbody>${rows}<tr class="ours"><th scope="row">Mean F1, all images</th><td></td><td></td><td>${percent(macro_f1)}</td><td>${total}</td></tr></tbody></table></div>`;
}

function mostMistaken(confusion: TestReport['confusion']): number[] {
  const classes = confusion.map((_, index) => index);
  if (classes.length <= MAX_MATRIX_CLASSES) return classes;
  const mistakes = classes.map((index) =>
    classes.reduce(
      (sum, other) =>
        other === index ? sum : sum + (confusion[index]?.[other] ?? 0) + (confusion[other]?.[index] ?? 0),
      0,
    ),
  );
  return classes
    .toSorted((a, b) => (mistakes[b] ?? 0) - (mistakes[a] ?? 0))
    .slice(0, MAX_MATRIX_CLASSES)
    .sort((a, b) => a - b);
}
