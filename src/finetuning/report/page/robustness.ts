import { percent } from '../percent.ts';
import type { TestReport } from '../report-schema.ts';
import { html, type Markup } from './markup.ts';
import type { Thumbnails } from './mistakes.ts';
import { linePlot, SHARE } from './plots.ts';

/** The section about corrupted images; nothing when they were not tested. */
export function robustnessSection({ robustness, accuracy }: TestReport, thumbnails: Thumbnails): Markup | undefined {
  if (robustness === undefined) return undefined;
  const { images, corruptions, corrupted_accuracy: corrupted, relative_robustness: relative } = robustness;
  const [weakest] = corruptions;
  const severities = weakest?.by_severity.map((_, index) => index + 1) ?? [];
  const means = severities.map((severity) => ({
    x: severity,
    y: corruptions.reduce((sum, { by_severity: shares }) => sum + (shares[severity - 1] ?? 0), 0) / corruptions.length,
  }));
  const start = { x: 0, y: accuracy };
  const rows = corruptions.map(
    ({ corruption, accuracy: mean, by_severity: shares }) =>
      html`<tr><th scope="row">${words(corruption)}</th>${shares.map((share) => html`<td>${percent(share)}</td>`)}<td>${percent(mean)}</td></tr>`,
  );
  return html`<section><h2>Robustness</h2>
<p>Held-out images were corrupted as Hendrycks and Dietterich (2019) propose, at five severities. ${images * corruptions.length * severities.length} were tested, ${images} for each corruption and severity, so a single figure of the table is rough. ${percent(corrupted)} were classified correctly${relative === null ? '' : `, which is ${percent(relative)} of the accuracy on the images as they are`}; the mean corruption error is ${percent(1 - corrupted)}. The option augmentation=robust trains for such images.</p>
<div class="columns">
<div class="scroll"><table>
<thead><tr><th scope="col">Corruption</th>${severities.map((severity) => html`<th scope="col">${severity}</th>`)}<th scope="col">Mean</th></tr></thead>
<tbody>${rows}<tr class="ours"><th scope="row">Mean</th>${means.map(({ y }) => html`<td>${percent(y)}</td>`)}<td>${percent(corrupted)}</td></tr></tbody></table></div>
${linePlot({
  title: 'Accuracy by severity',
  x: { min: 0, max: severities.length, format: String, title: 'Severity (0: the images as they are)' },
  y: { ...SHARE, title: 'Accuracy' },
  series: [
    { name: 'mean of the corruptions', tone: 'accent', points: [start, ...means] },
    ...(weakest === undefined
      ? []
      : [
          {
            name: words(weakest.corruption),
            tone: 'muted' as const,
            points: [start, ...weakest.by_severity.map((share, index) => ({ x: index + 1, y: share }))],
          },
        ]),
  ],
})}
</div>
<h3>Most confident mistakes on corrupted images</h3>
<p class="note">All of these images are classified correctly as they are. They are shown as the model saw them.</p>
${pictures(robustness.worst, thumbnails)}
</section>`;
}

function pictures(worst: NonNullable<TestReport['robustness']>['worst'], thumbnails: Thumbnails): Markup {
  if (worst.length === 0) return html`<p>There are none.</p>`;
  return html`<ul class="images">${worst.map(
    ({ picture, image, corruption, severity, label, predicted, confidence }) => {
      const source = thumbnails.get(picture);
      const shown = source === undefined ? undefined : html`<img src="${source}" alt="">`;
      return html`<li>${shown}<b>${predicted}, ${percent(confidence)}</b>true class: ${label}; ${words(corruption)}, severity ${severity}<span class="file">${image}</span></li>`;
    },
  )}</ul>`;
}

/** `gaussian_noise` as words. */
function words(corruption: string): string {
  return corruption.replaceAll('_', ' ').replace('gaussian', 'Gaussian').replace('jpeg', 'JPEG');
}
