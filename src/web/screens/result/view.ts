import type { Client } from '../../api/client.ts';
import { RequestError } from '../../api/problem.ts';
import type { ModelCard, TrainingReport } from '../../api/schema.ts';
import type { Curves } from '../../components/curves.ts';
import { errorNotice } from '../../components/notice.ts';
import { type Tab, tabs } from '../../components/tabs.ts';
import { useIt } from '../../components/use-it.ts';
import { type Child, fill, h } from '../../dom.ts';
import type { DraftHolder } from '../../draft/holder.ts';
import { noteInAddress } from '../../router.ts';
import { calibrationPlot } from './calibration.ts';
import { classTable } from './class-table.ts';
import { confusions } from './confusions.ts';
import { corrections } from './corrections.ts';
import { noveltyPanel } from './novelty.ts';
import type { Pictures } from './picture.ts';
import { pictureLists } from './pictures.ts';
import { promotion } from './promotion.ts';
import { robustnessPanel } from './robustness.ts';
import { headline } from './summary.ts';
import { thresholdChoice } from './threshold.ts';
import { tryIt } from './try-it.ts';
import { versionComparison } from './version-comparison.ts';

export interface ResultOptions {
  readonly client: Client;
  readonly model: string;
  readonly version: number;
  /** The draft that may have been trained, where wrong labels are corrected. */
  readonly drafts: DraftHolder;
  /** The tab in the address. */
  readonly tab: string | null;
  /** Whether requests of the user have a key. */
  readonly isKeyed: () => boolean;
}

/** The training report of a version, with ways to use it. */
export function resultView({ client, model, version, drafts, tab, isKeyed }: ResultOptions): {
  readonly element: HTMLElement;
  readonly close: () => void;
} {
  const ended = new AbortController();
  const { signal } = ended;
  const element = h('div', { class: 'block result reserved-result' });
  const id = `${model}@${version}`;
  const corrected = corrections(drafts);
  let drawn: Curves | undefined;

  const summary = (report: TrainingReport, serving: ModelCard): Child => [
    headline(report),
    h(
      'div',
      { class: 'columns' },
      tryIt({ client, model: id, signal }),
      promotion({ client, serving, version, signal }),
    ),
    useIt({ model: serving.version === version ? model : id, keyed: isKeyed() }),
    report.test !== null && thresholdChoice(report.test),
    h('div', { class: 'columns' }, report.test !== null && robustnessPanel(report.test), noveltyPanel(report)),
    versionComparison({ client, report, versions: serving.versions, signal }),
  ];

  const training = (report: TrainingReport, plots: HTMLElement): Child => [
    h(
      'section',
      { class: 'block' },
      h('h2', {}, 'Training curves'),
      report.training.history.length === 0
        ? h('p', { class: 'muted' }, 'The best head was computed in one step, so there are no epochs to draw.')
        : plots,
    ),
    report.test !== null && h('section', { class: 'block' }, h('h2', {}, 'Calibration'), calibrationPlot(report.test)),
  ];

  const show = (report: TrainingReport, pictures: Pictures, serving: ModelCard): void => {
    const { test } = report;
    const plots = h('div', { class: 'reserved-curves' });
    const list: readonly (readonly [name: string, content: Child])[] = [
      ['Summary', summary(report, serving)],
      ['Confusions', test === null ? UNTESTED : confusions(test, pictures, corrected)],
      ['Pictures', test === null ? UNTESTED : pictureLists(test, pictures, corrected)],
      ['Classes', test === null ? UNTESTED : classTable(test)],
      ['Training', training(report, plots)],
    ];
    const { bar, panels } = tabs(
      'Parts of the result',
      list.map(([name, content]): Tab => ({ name, panel: h('div', { class: 'block' }, content) })),
      { shown: list.map(([name]) => name).find((name) => inAddress(name) === tab), onChoose: noteTab },
    );
    fill(element, bar, panels);
    if (report.training.history.length === 0) return;
    void import('../../components/curves.ts').then(({ curves }) => {
      if (signal.aborted) return;
      drawn = curves();
      fill(plots, drawn.element);
      drawn.draw(report.training.history);
    });
  };

  const load = async (): Promise<void> => {
    const path = { id };
    const [report, pictures, serving] = await Promise.all([
      client.call('readReport', { path, signal }),
      client.call('readReportPictures', { path, signal }),
      client.call('describeModel', { path: { id: model }, signal }),
    ]);
    show(report, pictures, serving);
  };

  const start = (): void => {
    load().catch((thrown: unknown) => {
      if (signal.aborted) return;
      const gone = thrown instanceof RequestError && thrown.status === 404;
      fill(element, errorNotice(thrown, gone ? undefined : { label: 'Try again', run: start }));
    });
  };
  start();
  return {
    element,
    close: () => {
      ended.abort();
      corrected.close();
      drawn?.close();
    },
  };
}

const inAddress = (tab: string): string => tab.toLowerCase();
const noteTab = (tab: string): void => noteInAddress('tab', inAddress(tab));

const UNTESTED = 'No images were held out, so there is nothing to show.';
