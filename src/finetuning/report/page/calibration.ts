import { percent } from '../percent.ts';
import type { TestReport } from '../report-schema.ts';
import { html, type Markup } from './markup.ts';
import { linePlot, reliabilityDiagram, type Series, SHARE } from './plots.ts';

/** The section about calibration and a threshold on the confidence. */
export function calibrationSection({ calibration, unknown, accuracy }: TestReport): Markup {
  const { temperature, before, after, tuned_on } = calibration;
  const how = tuned_on === 'cross_validation' ? 'by cross-validation' : 'on the validation images';
  const line = (name: string, tone: Series['tone'], y: 'accuracy' | 'coverage'): Series => ({
    name,
    tone,
    points: unknown.curve.map((point) => ({ x: point.threshold, y: point[y] })),
  });
  const threshold = unknown.reached
    ? `If a wrong answer costs more than none, keep predictions with at least ${percent(unknown.threshold)} confidence. This threshold was chosen ${how} so that ${percent(unknown.target)} of the kept predictions are correct. On the test images, ${percent(unknown.coverage)} of the predictions are kept, and ${percent(unknown.accuracy)} of these are correct (${percent(accuracy)} without the threshold).`
    : `There is no threshold: ${how}, no threshold was found at which ${percent(unknown.target)} of the kept predictions are correct.`;
  return html`<section><h2>Confidence and calibration</h2>
<p>The confidence of a prediction is the probability that the model assigns to the predicted class. Confidences are well calibrated if, for example, 80% of the predictions with 80% confidence are correct. In the diagrams, every bar then ends at the dotted line. Bars below the line mean overconfidence, bars above it underconfidence. Paler bars stand for fewer predictions. To calibrate the model, its logits are divided by a temperature of ${temperature.toFixed(2)}, which was chosen ${how}.</p>
<div class="columns">
${reliabilityDiagram(`Before calibration: error ${percent(before.error)}`, before.bins)}
${reliabilityDiagram(`After calibration: error ${percent(after.error)}`, after.bins)}
</div>
<h3>Threshold on the confidence</h3>
<p>${threshold}</p>
${linePlot({
  title: 'Effect of a threshold',
  x: { ...SHARE, title: 'Threshold on the confidence' },
  y: { ...SHARE, title: 'Share' },
  series: [
    line('correct, of the kept predictions', 'accent', 'accuracy'),
    line('kept, of all predictions', 'muted', 'coverage'),
  ],
  ...(unknown.reached && { marker: { x: unknown.threshold, label: `threshold ${percent(unknown.threshold)}` } }),
})}
</section>`;
}
