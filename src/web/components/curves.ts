import 'uplot/dist/uPlot.min.css';
import uPlot from 'uplot';
import type { TrainingReport } from '../api/schema.ts';
import { h } from '../dom.ts';
import { percent } from '../format.ts';
import { colour, onThemeChange } from '../theme.ts';

/** Loss and accuracy after an epoch. */
export type EpochScores = TrainingReport['training']['history'][number];

/** Training curves, which can be drawn again while a job runs. */
export interface Curves {
  readonly element: HTMLElement;
  draw(epochs: readonly EpochScores[]): void;
  close(): void;
}

const HEIGHT = 200;

const PLOTS = [
  { title: 'Loss', training: 'loss', validation: 'val_loss', share: false },
  { title: 'Accuracy', training: 'accuracy', validation: 'val_accuracy', share: true },
] as const;

/** Loss and accuracy by epoch, on the training and on the validation images. */
export function curves(): Curves {
  let epochs: readonly EpochScores[] = [];
  const places = PLOTS.map(({ title }) =>
    h('figure', { class: 'curve' }, h('figcaption', {}, title), h('div', { class: 'plot' })),
  );
  let plots: uPlot[] = [];
  const dataOf = ({ training, validation }: (typeof PLOTS)[number]): uPlot.AlignedData => [
    epochs.map(({ epoch }) => epoch),
    epochs.map((scores) => scores[training]),
    epochs.map((scores) => scores[validation] ?? null),
  ];
  const width = (place: Element): number => Math.max(200, place.clientWidth);
  const build = (): void => {
    for (const plot of plots) plot.destroy();
    plots = PLOTS.flatMap((plot, index) => {
      const place = places[index]?.querySelector('.plot');
      return place instanceof HTMLElement ? [new uPlot(optionsOf(plot.share, width(place)), dataOf(plot), place)] : [];
    });
  };
  const observer = new ResizeObserver(() => {
    if (plots.length === 0) return build();
    plots.forEach((plot, index) => {
      const place = places[index]?.querySelector('.plot');
      if (place) plot.setSize({ width: width(place), height: HEIGHT });
    });
  });
  const element = h('div', { class: 'columns curves' }, places);
  observer.observe(element);
  const stopTheme = onThemeChange(build);
  return {
    element,
    draw(now) {
      epochs = now;
      plots.forEach((plot, index) => {
        const of = PLOTS[index];
        if (of) plot.setData(dataOf(of));
      });
    },
    close() {
      observer.disconnect();
      stopTheme();
      for (const plot of plots) plot.destroy();
    },
  };
}

function optionsOf(share: boolean, width: number): uPlot.Options {
  const [ink, grid] = [colour('--muted'), colour('--line')];
  const axis = {
    stroke: ink,
    grid: { stroke: grid, width: 1 },
    ticks: { stroke: grid, width: 1 },
    font: '12px system-ui, sans-serif',
  };
  const value = (_: uPlot, raw: number | null): string => (raw === null ? '–' : share ? percent(raw) : raw.toFixed(3));
  return {
    width,
    height: HEIGHT,
    cursor: { y: false },
    scales: { x: { time: false }, ...(share ? { y: { range: [0, 1] as [number, number] } } : {}) },
    axes: [
      { ...axis, incrs: [1, 2, 5, 10, 20, 50, 100] },
      share
        ? { ...axis, values: (_, splits) => splits.map((split) => percent(split, 0)), size: 55 }
        : { ...axis, size: 55 },
    ],
    series: [
      { label: 'Epoch' },
      { label: 'Training', stroke: colour('--line-strong'), width: 2, value, points: { show: false } },
      { label: 'Validation', stroke: colour('--accent'), width: 2, value, points: { show: false } },
    ],
  };
}
