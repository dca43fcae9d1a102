import type { Client } from '../../api/client.ts';
import { RequestError } from '../../api/problem.ts';
import type { ModelCard, TrainingReport } from '../../api/schema.ts';
import type { Curves } from '../../components/curves.ts';
import { errorNotice } from '../../components/notice.ts';
import { type Child, fill, h, icon } from '../../dom.ts';
import { counted, percent } from '../../format.ts';
import { calibrationPlot } from './calibration.ts';
import { classTable } from './class-table.ts';
import { confusionMatrix } from './confusion.ts';
import { mistakes } from './mistakes.ts';
import { promotion } from './promotion.ts';
import { tryIt } from './try-it.ts';

export interface ResultOptions {
  readonly client: Client;
  readonly model: string;
  readonly version: number;
}

/** The training report of a version, with ways to use it. */
export function resultView({ client, model, version }: ResultOptions): {
  readonly element: HTMLElement;
  readonly close: () => void;
} {
  const ended = new AbortController();
  const { signal } = ended;
  const element = h('div', { class: 'block result reserved-result' });
  const id = `${model}@${version}`;
  let drawn: Curves | undefined;

  const show = (report: TrainingReport, pictures: Readonly<Record<string, string>>, serving: ModelCard): void => {
    const plots = h('div', { class: 'reserved-curves' });
    fill(
      element,
      headline(report),
      h(
        'div',
        { class: 'columns' },
        tryIt({ client, model: id, signal }),
        promotion({ client, serving, version, signal }),
      ),
      figures(report, pictures),
      h('section', { class: 'block' }, h('h2', {}, 'Training curves'), plots),
    );
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
      drawn?.close();
    },
  };
}

/** How well the detector tells images that show none of the classes, beside the highest probability. */
function otherThings({ novelty }: TrainingReport): string | undefined {
  const methods = (novelty?.unknown_images ?? novelty?.left_out_classes)?.methods ?? [];
  const of = (name: string) => methods.find(({ method }) => method === name);
  const [own, softmax] = [of('mahalanobis'), of('softmax')];
  if (own === undefined) return undefined;
  const beside = softmax && ` (highest probability: ${softmax.auroc.toFixed(2)})`;
  const accepted = `${percent(own.false_positives)} accepted at 95% of the classes`;
  const whose = novelty?.unknown_images === undefined ? 'Images of a class left out' : 'Images of other things';
  return `${whose}: AUROC ${own.auroc.toFixed(2)}${beside ?? ''}, ${accepted}`;
}

function headline(report: TrainingReport): HTMLElement {
  const { test, verdict, next_steps } = report;
  const others = otherThings(report);
  return h(
    'div',
    { class: 'panel headline' },
    test === null
      ? h('p', { class: 'muted' }, 'No images were held out, so the accuracy is unknown.')
      : h(
          'div',
          { class: 'figure' },
          h('p', { class: 'big' }, percent(test.accuracy)),
          h('p', {}, `accuracy on ${counted(test.images, 'held-out image')}`),
          h(
            'p',
            { class: 'muted small' },
            `95% confidence interval: ${percent(test.interval[0] ?? 0)} to ${percent(test.interval[1] ?? 1)}`,
          ),
          test.current &&
            h('p', { class: 'muted small' }, `Version ${test.current.version}: ${percent(test.current.accuracy)}`),
          h(
            'p',
            { class: 'muted small' },
            `Nearest neighbours: ${percent(test.baselines.nearest_neighbours.accuracy)}`,
          ),
          h('p', { class: 'muted small' }, `Most frequent class: ${percent(test.baselines.majority_class.accuracy)}`),
          others !== undefined && h('p', { class: 'muted small' }, others),
        ),
    h(
      'div',
      { class: 'block' },
      h(
        'ul',
        { class: 'findings' },
        verdict.map(({ level, text }) =>
          h('li', { class: level }, icon(level === 'good' ? 'check' : 'warning'), h('div', {}, text)),
        ),
      ),
      next_steps.length > 0 && [
        h('h3', {}, 'Next steps'),
        h(
          'ol',
          { class: 'steps' },
          next_steps.map((step) => h('li', {}, step)),
        ),
      ],
    ),
  );
}

function figures({ test }: TrainingReport, pictures: Readonly<Record<string, string>>): Child {
  if (test === null) return undefined;
  return [
    h('section', { class: 'block' }, h('h2', {}, 'Confusion matrix'), confusionMatrix(test, pictures)),
    h('section', { class: 'block' }, h('h2', {}, 'Most confident mistakes'), mistakes(test, pictures)),
    h(
      'div',
      { class: 'columns' },
      h('section', { class: 'block' }, h('h2', {}, 'Results by class'), classTable(test)),
      h('section', { class: 'block' }, h('h2', {}, 'Calibration'), calibrationPlot(test)),
    ),
  ];
}
