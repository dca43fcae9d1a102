import { LEAST_IMAGES } from '../../novelty/new-image-threshold.ts';
import { percent } from '../percent.ts';
import type { NoveltyReport, TrainingReport } from '../report-schema.ts';
import { html, type Markup } from './markup.ts';

type Methods = NonNullable<NoveltyReport['left_out_classes']>['methods'];

const METHOD_NAMES: Readonly<Record<Methods[number]['method'], string>> = {
  softmax: 'Highest probability',
  energy: 'Energy of the logits',
  nearest_neighbour: 'Nearest training image',
  mahalanobis: 'Mahalanobis distance (this model)',
};

/** How well the model tells images that show none of its classes. */
export function noveltySection({ novelty, training }: TrainingReport): Markup | undefined {
  if (novelty === undefined) return undefined;
  const { target, tuned_on: tunedOn, judged, accepted, left_out_classes: left, unknown_images: others } = novelty;
  const deep = training.last_stage?.published === true;
  const chosen = deep
    ? `The threshold was chosen to accept ${percent(target)} of the validation images, on which the last stage was not trained. How well it refuses other things was not measured: the stage was trained on every class, so that none can be left out, and images of the class _unknown are not used at this depth.`
    : tunedOn > 0
      ? `The threshold was chosen with ${tunedOn} images of other things (the class _unknown).`
      : `The threshold was chosen to accept ${percent(target)} of new images of the classes.`;
  const guess =
    judged !== undefined && judged < LEAST_IMAGES
      ? `It was chosen on ${judged} images only, so that the share that it will accept is not known: expect images of the classes to be called unknown, or other things to be accepted, until you add images.`
      : undefined;
  return html`<section><h2>Images of other things</h2>
<p>The answer is “unknown” when the features of an image are far from those of every class. ${chosen} ${guess}
${accepted === undefined ? undefined : `It accepts ${percent(accepted)} of the test images.`}</p>
${others === undefined ? undefined : html`<p>Of ${others.images} other images of the class _unknown, ${percent(others.refused)} are answered “unknown”.</p>${table(others.methods)}`}
${left === undefined ? undefined : html`<p>Images of a class that was left out of the training, for ${left.classes} classes in turn:</p>${table(left.methods)}`}
</section>`;
}

function table(methods: Methods): Markup {
  return html`<div class="scroll"><table>
<thead><tr><th scope="col">Judged by</th><th scope="col">AUROC</th><th scope="col">Accepted of the unknown, at 95% of the known</th></tr></thead>
<tbody>
${methods.map(
  ({ method, auroc, false_positives }) =>
    html`<tr><th scope="row">${METHOD_NAMES[method]}</th><td>${auroc.toFixed(3)}</td><td>${percent(false_positives)}</td></tr>`,
)}
</tbody></table></div>`;
}
