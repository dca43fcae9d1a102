import { percent } from '../percent.ts';
import type { TrainingReport } from '../report-schema.ts';
import { html, type Markup } from './markup.ts';

type Search = NonNullable<TrainingReport['training']['automatic_search']>;
type Trial = Search['trials'][number];

const PREFERENCE_WORDS = {
  accuracy: 'the most accurate one',
  balanced: 'the fastest one within two points of the most accurate one',
  speed: 'the fastest one',
} as const;
const COPY_WORDS = { given: 'as asked', none: 'none' } as const;

/** The trials of a thorough search, the last rung first. */
export function automaticSearchTable({ trials, rungs, prefer, budget_minutes, out_of_time, left_out }: Search): Markup {
  const sorted = trials.toSorted((a, b) => b.rung - a.rung || b.accuracy - a.accuracy);
  const time = out_of_time
    ? `The budget of ${budget_minutes} minutes did not suffice for all candidates.`
    : `It ended within its budget of ${budget_minutes} minutes.`;
  return html`<h3>Search</h3>
<p>Successive halving in rungs of ${rungs.map(rungWords).join(', then ')}: the better third of the backbones, at least two, went on to the next rung, and the default one. ${time} Accuracy is for images that were left out, ± its standard error; the time is that of the backbone for one image on one thread, measured side by side. The front (●) has the trials of the last rung that are better than the default of their backbone by more than chance, or that default, and than which none is more accurate without being slower. From the front, ${PREFERENCE_WORDS[prefer]} was taken (bold). The test images had no part in it.</p>
${left_out.map(({ backbone, reason }) => html`<p>${backbone} was left out: ${reason}.</p>`)}
<div class="scroll"><table>
<thead><tr><th scope="col">Backbone</th><th scope="col">Rung</th><th scope="col">Layers</th><th scope="col">Copies</th><th scope="col">Head</th><th scope="col">Weight decay</th><th scope="col">Accuracy</th><th scope="col">Time</th><th scope="col">Front</th></tr></thead>
<tbody>${sorted.map(row)}</tbody></table></div>`;
}

function row(trial: Trial): Markup {
  return html`<tr class="${trial.chosen ? 'ours' : ''}"><th scope="row">${trial.backbone}</th><td>${trial.rung}</td><td>${trial.layers}</td><td>${COPY_WORDS[trial.copies]}</td><td>${headOf(trial)}</td><td>${trial.solved ? '–' : `× ${trial.weight_decay_factor}`}</td><td>${percent(trial.accuracy)} ± ${(100 * trial.spread).toFixed(1)}</td><td>${trial.latency_ms.toFixed(1)} ms</td><td>${trial.front ? '●' : ''}</td></tr>`;
}

function rungWords({ images, solved }: Search['rungs'][number]): string {
  return `${images} training images, whose heads are ${solved ? 'solved for' : 'trained'}`;
}

function headOf({ solved, hidden_units, dropout }: Trial): string {
  if (solved) return 'solved for';
  if (hidden_units.length === 0) return 'linear';
  return `${hidden_units.join(', ')} units${dropout > 0 ? `, dropout ${dropout}` : ''}`;
}
