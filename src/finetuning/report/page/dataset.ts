import type { TrainingReport } from '../report-schema.ts';
import { html, type Markup } from './markup.ts';

/** The section about the data set. */
export function datasetSection(preflight: TrainingReport['dataset']['preflight']): Markup {
  const { images, classes, warnings, imbalance } = preflight;
  const notes = [
    `${images.used} of ${images.labelled} labelled images were used.`,
    images.unreadable > 0 ? `${images.unreadable} cannot be read.` : '',
    images.left_out > 0
      ? `${images.left_out} were left out, because their labels contradict each other or a copy is in another split.`
      : '',
    preflight.ignored.count > 0 ? `${preflight.ignored.count} other files were ignored.` : '',
    imbalance === null || imbalance === 1
      ? ''
      : `The largest class has ${imbalance} times as many images as the smallest.`,
  ];
  return html`<section><h2>Data set</h2>
<p>${notes.filter((note) => note !== '').join(' ')}</p>
${
  warnings.length === 0
    ? html`<p>The check of the data set found no problems.</p>`
    : html`<ul class="findings">${warnings.map(({ message }) => html`<li class="caution">${message}</li>`)}</ul>`
}
<div class="scroll"><table>
<thead><tr><th scope="col">Class</th><th scope="col">Training</th><th scope="col">Validation</th><th scope="col">Test</th><th scope="col">All</th></tr></thead>
<tbody>${classes.map((row) => html`<tr><th scope="row">${row.name}</th><td>${row.train}</td><td>${row.validation}</td><td>${row.test}</td><td>${row.images}</td></tr>`)}
<tr class="ours"><th scope="row">All</th><td>${images.train}</td><td>${images.validation}</td><td>${images.test}</td><td>${images.used}</td></tr></tbody></table></div></section>`;
}
