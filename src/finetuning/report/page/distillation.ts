import { percent } from '../percent.ts';
import type { TrainingReport } from '../report-schema.ts';
import { html, type Markup } from './markup.ts';

type Distillation = NonNullable<TrainingReport['distillation']>;

/** The heading of the report of a distilled model. */
export function distillationHeadline({ agreement }: Distillation): string {
  return `Gives its teacher’s answer for about ${Math.round(100 * agreement)} of 100 pictures`;
}

/** The section about the agreement of a student with its teacher, and about their sizes. */
export function distillationSection(distillation: Distillation): Markup {
  const { temperature, pictures, unreadable, models } = distillation;
  const [low, high] = distillation.agreement_interval;
  return html`<section><h2>Teacher and student</h2>
<p>The student learnt the probabilities that the teacher gives to all classes, softened at temperature ${temperature}, on ${pictures.train} pictures without labels (and augmented copies of them). ${pictures.validation} others decided when to stop. In the curves below, accuracy is agreement with the teacher, and loss is the divergence from its probabilities.</p>
<dl class="facts">
<div><dt>Agreement</dt><dd class="figure">${percent(distillation.agreement)}</dd><dd class="note">on ${pictures.test} test pictures; 95% confidence interval ${percent(low)} to ${percent(high)}</dd></div>
<div><dt>Among the first five</dt><dd class="figure">${percent(distillation.top5_agreement)}</dd><dd class="note">the teacher’s class is one of the student’s five</dd></div>
<div><dt>Most common class</dt><dd class="figure">${percent(distillation.most_common)}</dd><dd class="note">what always naming it would reach</dd></div>
<div><dt>Divergence</dt><dd class="figure">${distillation.divergence.toFixed(3)}</dd><dd class="note">nats, at temperature 1</dd></div>
</dl>
<div class="scroll"><table>
<thead><tr><th scope="col">Model</th><th scope="col">Parameters</th><th scope="col">Weights</th><th scope="col">Time of an image</th></tr></thead>
<tbody>${models.map(
    ({ role, model, parameters, weights_bytes: bytes, ms_per_image: ms }) =>
      html`<tr class="${role === 'student' ? 'ours' : ''}"><th scope="row">${model} (${role})</th><td>${(parameters / 1e6).toFixed(2)} million</td><td>${(bytes / 1e6).toFixed(1)} MB</td><td>${ms} ms</td></tr>`,
  )}</tbody></table></div>
<p>Times are those of ONNX Runtime on one thread, in batches of 16, measured when the student was trained.</p>
${
  unreadable.length === 0
    ? undefined
    : html`<p>${pictures.unreadable} pictures could not be read:</p><ul>${unreadable.map(({ file, reason }) => html`<li>${file}: ${reason}</li>`)}</ul>`
}
</section>`;
}
