import { percent } from '../percent.ts';
import type { TestReport } from '../report-schema.ts';
import { html, type Markup } from './markup.ts';

/** How near the mistakes are in WordNet; nothing when the classes have no synsets. */
export function hierarchySection({ hierarchy }: TestReport): Markup | undefined {
  if (hierarchy === undefined) return undefined;
  const { precision, recall, mistake_distance: distance, concepts, concepts_of_mistakes: mistakes } = hierarchy;
  const row = (name: string, figure: string) => html`<tr><th scope="row">${name}</th><td>${figure}</td></tr>`;
  return html`<section><h2>How near the mistakes are</h2>
<p>Each class counts with all concepts of WordNet above it: a husky that is taken for a poodle is still a dog.</p>
<div class="scroll"><table>
<tbody>
${row('Hierarchical precision', percent(precision))}
${row('Hierarchical recall', percent(recall))}
${distance === undefined ? undefined : row('Mean distance of a mistake', `${distance.toFixed(1)} links by the nearest common concept`)}
${row('The concept that is at least as likely as not is right', `${percent(concepts.right)} of ${concepts.images} images`)}
${mistakes.images === 0 ? undefined : row('The same where the first class is wrong', `${percent(mistakes.right)} of ${mistakes.images} images`)}
</tbody></table></div></section>`;
}
