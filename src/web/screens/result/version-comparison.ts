import type { Client } from '../../api/client.ts';
import type { TrainingReport } from '../../api/schema.ts';
import { errorNotice } from '../../components/notice.ts';
import { fill, h } from '../../dom.ts';
import { percent } from '../../format.ts';
import { hrefOf } from '../../router.ts';

/** Older ones are on the card of the model. */
const MAX_VERSIONS = 8;

interface ComparisonOptions {
  readonly client: Client;
  readonly report: TrainingReport;
  /** Of the model, ascending. */
  readonly versions: readonly number[];
  readonly signal: AbortSignal;
}

/** Accuracy of another version on the test images of a report, or why it is unknown. */
type Comparison = { readonly accuracy: number } | { readonly reason: string };

/**
 * Compares two versions on the same images. The digest of a data set is over its labels, splits and pixels, so that the
 * same one means the same test images; a report also has the accuracy of the version that was in service on its own.
 */
function compareVersions(report: TrainingReport, other: TrainingReport): Comparison {
  const { test } = report;
  if (test === null) return { reason: 'this version was not tested' };
  const { name, version } = other.model;
  if (test.current?.model === name && test.current.version === version) return { accuracy: test.current.accuracy };
  if (other.test === null) return { reason: 'it was not tested' };
  const { accuracy } = other.test;
  if (other.dataset.sha256 === report.dataset.sha256) return { accuracy };
  return { reason: `it was tested on other images, ${percent(accuracy)} right` };
}

/** The versions of the model, compared on the same images; undefined when there is one only. */
export function versionComparison({ client, report, versions, signal }: ComparisonOptions): HTMLElement | undefined {
  const { name, version: shown } = report.model;
  const others = versions.filter((version) => version !== shown).slice(-MAX_VERSIONS);
  if (others.length === 0) return undefined;
  const place = h('div', {}, h('p', { class: 'muted' }, 'Loading the reports …'));
  const own = report.test?.accuracy;

  const row = (version: number, compared: Comparison): HTMLElement =>
    h(
      'tr',
      { class: version === shown && 'own' },
      h(
        'th',
        { scope: 'row' },
        version === shown
          ? `Version ${version}`
          : h('a', { href: hrefOf(['results', name, String(version)]) }, `Version ${version}`),
      ),
      'reason' in compared
        ? h('td', { colspan: 2, class: 'muted' }, `Not comparable: ${compared.reason}`)
        : [
            h('td', { class: 'number' }, percent(compared.accuracy)),
            h('td', { class: 'number' }, version === shown ? 'this one' : difference(compared.accuracy - (own ?? 0))),
          ],
    );

  const load = async (): Promise<void> => {
    const compared = await Promise.all(
      others.map(async (version): Promise<readonly [number, Comparison]> => {
        const other = await client.call('readReport', { path: { id: `${name}@${version}` }, signal });
        return [version, compareVersions(report, other)];
      }),
    );
    const all = own === undefined ? compared : [...compared, [shown, { accuracy: own }] as const];
    fill(
      place,
      h(
        'table',
        { class: 'table versions' },
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            h('th', { scope: 'col' }, 'Version'),
            h('th', { scope: 'col', class: 'number' }, 'Right'),
            h('th', { scope: 'col', class: 'number' }, 'Difference'),
          ),
        ),
        h(
          'tbody',
          {},
          all.toSorted(([a], [b]) => b - a).map(([version, each]) => row(version, each)),
        ),
      ),
    );
  };
  const start = (): void => {
    load().catch((thrown: unknown) => {
      if (!signal.aborted) fill(place, errorNotice(thrown, { label: 'Try again', run: start }));
    });
  };
  start();
  return h('section', { class: 'panel block' }, h('h2', {}, 'Versions on the same images'), place);
}

/** `+1.2 points`, of percentages. */
function difference(share: number): string {
  const points = (100 * share).toFixed(1);
  if (Number(points) === 0) return 'the same';
  return `${share > 0 ? '+' : '−'}${points.replace('-', '')} points`;
}
