import type { TrainingReport } from '../report-schema.ts';
import { type Content, html, type Markup } from './markup.ts';

/** The section with everything that is needed to train the same model again. */
export function provenanceSection(report: TrainingReport): Markup {
  const { backbone, provenance, training } = report;
  const seconds = Object.entries(provenance.durations_seconds).map(
    ([phase, value]) => [phase, `${value.toFixed(1)} s`] as const,
  );
  return html`<section><h2>How to reproduce this model</h2>
<div class="columns">
<div><h3>Options of the request</h3>${definitions(flatEntries(provenance.options))}</div>
<div><h3>Hyperparameters of the head</h3>${definitions(Object.entries(training.settings))}</div>
</div>
<h3>Provenance</h3>${definitions([
    ['backbone', `${backbone.name}, version ${backbone.version}`],
    ['backbone SHA-256', backbone.sha256],
    ['data set SHA-256', report.dataset.sha256],
    ['seed', provenance.seed],
    ['TensorFlow.js backend', provenance.tensorflow_backend],
    ...Object.entries(provenance.libraries),
    ['created', report.created_at],
  ])}
${seconds.length > 0 ? html`<h3>Duration of each phase</h3>${definitions(seconds)}` : undefined}
</section>`;
}

type Entry = readonly [name: string, value: unknown];

/** The entries of an object; those of an object inside it are named `outer.inner`. */
function flatEntries(object: Readonly<Record<string, unknown>>): Entry[] {
  return Object.entries(object).flatMap(([name, value]): Entry[] =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.entries(value).map(([inner, innerValue]) => [`${name}.${inner}`, innerValue])
      : [[name, value]],
  );
}

function definitions(entries: readonly Entry[]): Markup {
  const shown = (value: unknown): Content => {
    if (typeof value === 'number' && !Number.isInteger(value)) return String(Number(value.toPrecision(4)));
    return typeof value === 'string' ? value : JSON.stringify(value);
  };
  return html`<dl class="settings">${entries
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => html`<dt>${name}</dt><dd>${shown(value)}</dd>`)}</dl>`;
}
