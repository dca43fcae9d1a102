import type { Client } from '../../api/client.ts';
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

/** What a fine-tuned version is worth, and what can be done with it. */
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
      h('section', { class: 'block' }, h('h2', {}, 'How it learnt'), plots),
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
      if (!signal.aborted) fill(element, errorNotice(thrown, { label: 'Try again', run: start }));
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

function headline({ test, verdict, next_steps }: TrainingReport): HTMLElement {
  return h(
    'div',
    { class: 'panel headline' },
    test === null
      ? h('p', { class: 'muted' }, 'No pictures were held out, so nobody knows yet how often it is right.')
      : h(
          'div',
          { class: 'figure' },
          h('p', { class: 'big' }, percent(test.accuracy)),
          h('p', {}, `right on ${counted(test.images, 'picture')} it had not seen`),
          h(
            'p',
            { class: 'muted small' },
            `${percent(test.interval[0] ?? 0)} to ${percent(test.interval[1] ?? 1)} with 95 % confidence`,
          ),
          test.current &&
            h(
              'p',
              { class: 'muted small' },
              `${percent(test.current.accuracy)} by version ${test.current.version} before`,
            ),
          h(
            'p',
            { class: 'muted small' },
            `${percent(test.baselines.nearest_neighbours.accuracy)} by nearest neighbours, ${percent(test.baselines.majority_class.accuracy)} by guessing`,
          ),
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
        h('h3', {}, 'What to do next'),
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
    h('section', { class: 'block' }, h('h2', {}, 'What it takes for what'), confusionMatrix(test, pictures)),
    h('section', { class: 'block' }, h('h2', {}, 'Worst mistakes'), mistakes(test, pictures)),
    h(
      'div',
      { class: 'columns' },
      h('section', { class: 'block' }, h('h2', {}, 'Class by class'), classTable(test)),
      h('section', { class: 'block' }, h('h2', {}, 'Can its confidence be believed?'), calibrationPlot(test)),
    ),
  ];
}
