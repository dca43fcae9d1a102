import { percent } from '../percent.ts';
import type { TestReport, TrainingReport } from '../report-schema.ts';
import { calibrationSection } from './calibration.ts';
import { datasetSection } from './dataset.ts';
import { distillationHeadline, distillationSection } from './distillation.ts';
import { hierarchySection } from './hierarchy.ts';
import { html, Markup } from './markup.ts';
import { mistakesSections, type Thumbnails } from './mistakes.ts';
import { noveltySection } from './novelty.ts';
import { intervalBar } from './plots.ts';
import { provenanceSection } from './provenance.ts';
import { robustnessSection } from './robustness.ts';
import { REPORT_STYLE } from './style.ts';
import { trainingSection } from './training.ts';

/**
 * Renders a report as one HTML page without scripts that loads nothing.
 *
 * @param thumbnails small pictures of the images that the report names; without them it shows only their names
 */
export function renderReport(report: TrainingReport, thumbnails: Thumbnails = new Map()): string {
  const { model, test, distillation } = report;
  const title = `${model.name}, version ${model.version}`;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${title}: report</title>
<style>${new Markup(REPORT_STYLE)}</style>
</head>
<body>
<main>
<header>
<p class="eyebrow">${title}, trained on ${report.backbone.name} on ${report.created_at.slice(0, 10)}</p>
<h1>${distillation ? distillationHeadline(distillation) : headline(test)}</h1>
</header>
${test ? facts(test) : undefined}
<div class="columns">
<section><h3>What the results mean</h3><ul class="findings">${report.verdict.map(({ level, text }) => html`<li class="${level}">${text}</li>`)}</ul></section>
<section><h3>What to do next</h3>${steps(report.next_steps)}</section>
</div>
${test ? [comparison(test, title), mistakesSections(test, thumbnails), hierarchySection(test), calibrationSection(test), robustnessSection(test, thumbnails)] : undefined}
${distillation ? distillationSection(distillation) : undefined}
${noveltySection(report)}
${trainingSection(report.training)}
${distillation ? undefined : datasetSection(report.dataset.preflight)}
${provenanceSection(report)}
</main>
</body>
</html>
`;
  return page.text;
}

function headline(test: TestReport | null): string {
  if (test === null) return 'The accuracy is unknown';
  const percentage = Math.round(test.accuracy * 100);
  const correct = `lassifies about ${percentage} of 100 images correctly`;
  const { majority_class: majority, nearest_neighbours: nearest } = test.baselines;
  if (test.accuracy <= majority.accuracy) return `No better than guessing: c${correct}`;
  if (test.interval[1] < nearest.accuracy) return `C${correct}; a method without training does better`;
  if (percentage === 100 && test.accuracy < 1) return 'Classifies more than 99 of 100 images correctly';
  if (percentage === 100) return `Classifies all ${test.images} test images correctly`;
  const [pair] = test.confused_pairs;
  const mistake = pair && pair.count > 1 ? `; most often mistakes ${pair.label} for ${pair.predicted}` : '';
  return `C${correct}${mistake}`;
}

function steps(list: readonly string[]): Markup {
  if (list.length === 0)
    return html`<p>Nothing stands out. Try the model on your own photos before you rely on it.</p>`;
  return html`<ol class="steps">${list.map((step) => html`<li>${step}</li>`)}</ol>`;
}

function facts({ accuracy, interval, images, macro_f1, calibration, unknown }: TestReport): Markup {
  const fact = (name: string, figure: string, note: string) =>
    html`<div><dt>${name}</dt><dd class="figure">${figure}</dd><dd class="note">${note}</dd></div>`;
  return html`<dl class="facts">
${fact('Accuracy', percent(accuracy), `on ${images} test images; 95% confidence interval ${percent(interval[0])} to ${percent(interval[1])}`)}
${fact('Macro F1', percent(macro_f1), 'mean F1 of all classes')}
${fact('Calibration error', percent(calibration.after.error), `${percent(calibration.before.error)} before calibration`)}
${
  unknown.reached
    ? fact(
        `Accuracy from ${percent(unknown.threshold)} confidence`,
        percent(unknown.accuracy),
        `of the ${percent(unknown.coverage)} of images that reach it`,
      )
    : fact('Threshold on the confidence', 'none', 'no confidence makes the answers reliable enough')
}
</dl>`;
}

function comparison({ baselines, current, ...test }: TestReport, title: string): Markup {
  const { majority_class: majority, nearest_neighbours: nearest, prototypes } = baselines;
  const row = (
    name: string,
    { accuracy, interval: [low, high] }: Pick<TestReport, 'accuracy' | 'interval'>,
    ours: boolean,
  ) =>
    html`<tr class="${ours ? 'ours' : ''}"><th scope="row">${name}</th><td>${percent(accuracy)}</td><td>${percent(low)} – ${percent(high)}</td><td class="wide">${intervalBar(accuracy, low, high, ours ? 'accent' : 'muted')}</td></tr>`;
  return html`<section><h2>Comparison with simple methods</h2>
<p>All were tested on the same ${test.images} images. A model that is no better than a simple method is not worth using.</p>
<div class="scroll"><table>
<thead><tr><th scope="col">Model or method</th><th scope="col">Accuracy</th><th scope="col">95% confidence interval</th><th scope="col" class="wide">0% to 100%</th></tr></thead>
<tbody>
${row(title, test, true)}
${current ? row(`${current.model}, version ${current.version}`, current, false) : undefined}
${row('Vote of the 5 most similar training images', nearest, false)}
${prototypes ? row('Class with the most similar mean of its training images', prototypes, false) : undefined}
${row(`Always “${majority.class}”`, majority, false)}
</tbody></table></div></section>`;
}
