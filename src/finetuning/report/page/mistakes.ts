import { percent } from '../percent.ts';
import type { TestReport } from '../report-schema.ts';
import { type Content, html, type Markup } from './markup.ts';

/** Small pictures as data URIs, by the name of the image. */
export type Thumbnails = ReadonlyMap<string, string>;

/** With more classes the table is unreadable; then only the classes with the most mistakes are shown. */
const MAX_MATRIX_CLASSES = 20;
/** With more classes the cells are smaller. */
const DENSE_FROM = 12;
const NO_MISTAKES = 'All test images were classified correctly.';
/** From this share on, a cell is so dark that its text is light. */
const DARK_CELL = 0.6;

/** The sections about mistakes and about each class. */
export function mistakesSections(test: TestReport, thumbnails: Thumbnails): Markup {
  return html`<section><h2>Mistakes</h2>
<div class="beside">
<div><h3>Confusion matrix</h3>${confusionMatrix(test)}</div>
<div><h3>Most frequent mistakes</h3>${confusedPairs(test, thumbnails)}</div>
</div>
<h3>Most confident mistakes</h3>
<p class="note">Wrong predictions with the highest confidence. The cause is often a wrong label or an unusual photo.</p>
${imageList(test.worst_mistakes, thumbnails, NO_MISTAKES)}
<h3>Least confident predictions</h3>
<p class="note">Correct or wrong. More training images like these help the model most.</p>
${imageList(test.least_certain, thumbnails, 'There are none.')}
</section>
<section><h2>Results by class</h2>
<p>Precision: the share of the predictions of this class that are correct. Recall: the share of the images of this class that are recognised. F1: the harmonic mean of both. The weakest classes come first.</p>
${classTable(test)}</section>`;
}

/** Heat map of true classes (rows) against predicted classes (columns), coloured by the shares of each row. */
function confusionMatrix({ confusion, per_class }: TestReport): Markup {
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
      return html`<td class="${kinds.join(' ')}" style="--share:${Math.round(share * 100)}%" title="${`${count} of ${total} images of ${name(label)} classified as ${name(predicted)}`}">${count}</td>`;
    });
    return html`<tr><th scope="row" title="${name(label)}">${name(label)}</th>${cells}</tr>`;
  };
  const cut = shown.length < confusion.length;
  return html`<div class="scroll"><table class="${shown.length > DENSE_FROM ? 'matrix dense' : 'matrix'}">
<caption>Rows are the true classes, columns the predicted ones. The diagonal is correct.${cut ? ` Shown are the ${shown.length} of ${confusion.length} classes with the most mistakes.` : ''}</caption>
<thead><tr><td></td>${shown.map((index) => html`<th scope="col" title="${name(index)}"><span>${name(index)}</span></th>`)}</tr></thead>
<tbody>${shown.map(row)}</tbody></table></div>`;
}

/** Pairs of classes by number of mistakes, with examples. */
function confusedPairs({ confused_pairs }: TestReport, thumbnails: Thumbnails): Markup {
  if (confused_pairs.length === 0) return html`<p>${NO_MISTAKES}</p>`;
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
<thead><tr><th scope="col">True class → prediction</th><th scope="col">Images</th><th scope="col">Share of class</th><th scope="col" class="text">Examples</th></tr></thead>
<tbody>${rows}</tbody></table></div>`;
}

/** Images with prediction, confidence and true class. */
function imageList(images: TestReport['least_certain'], thumbnails: Thumbnails, none: string): Markup {
  if (images.length === 0) return html`<p>${none}</p>`;
  return html`<ul class="images">${images.map(({ image, label, predicted, confidence }) => {
    const source = thumbnails.get(image);
    const picture = source === undefined ? undefined : html`<img src="${source}" alt="">`;
    const truth = label === predicted ? 'correct' : `true class: ${label}`;
    return html`<li>${picture}<b>${predicted}, ${percent(confidence)}</b>${truth}<span class="file">${breakable(image)}</span></li>`;
  })}</ul>`;
}

/** A path that may be broken after each slash. */
function breakable(path: string): Content {
  return path.split('/').map((part, index) => (index === 0 ? part : html`/<wbr>${part}`));
}

/** Precision, recall and F1 of each class, the lowest F1 first. */
function classTable({ per_class, macro_f1 }: TestReport): Markup {
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
<tbody>${rows}<tr class="ours"><th scope="row">Macro F1, all images</th><td></td><td></td><td>${percent(macro_f1)}</td><td>${total}</td></tr></tbody></table></div>`;
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
