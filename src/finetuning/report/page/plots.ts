import { percent } from '../percent.ts';
import { type Content, html, type Markup } from './markup.ts';

/** A point of a plot, in the units of its axes. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** One line of a plot: `accent` for the line of interest, `muted` for the one that it is compared with. */
export interface Series {
  readonly name: string;
  readonly tone: 'accent' | 'muted';
  readonly points: readonly Point[];
}

/** Range of an axis and format of its ticks. */
export interface Axis {
  readonly title: string;
  readonly min: number;
  readonly max: number;
  readonly format: (value: number) => string;
}

/** Input of `linePlot`. */
export interface LinePlot {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** A vertical line with a label. */
  readonly marker?: { readonly x: number; readonly label: string };
}

/** Predictions of similar confidence, a bar of a reliability diagram. */
export interface Bin {
  readonly low: number;
  readonly high: number;
  readonly count: number;
  readonly confidence: number;
  readonly accuracy: number;
}

const WIDTH = 400;
const HEIGHT = 260;
/** The plotting area inside the axes, in units of the drawing. */
const PLOT = { left: 56, right: 382, top: 14, bottom: 212 };

/** Draws lines with axes, and a legend if there are several. */
export function linePlot({ title, x, y, series, marker }: LinePlot): Markup {
  const scale = scaleOf(x, y);
  const lines = series.map(({ tone, points }) => {
    const [only] = points;
    if (points.length === 1 && only) {
      return html`<circle class="dot ${tone}" cx="${scale.x(only.x)}" cy="${scale.y(only.y)}" r="3.5"/>`;
    }
    const path = points.map((point, i) => `${i === 0 ? 'M' : 'L'}${scale.x(point.x)} ${scale.y(point.y)}`).join('');
    return html`<path class="series ${tone}" d="${path}"/>`;
  });
  return figure(
    title,
    [frame(x, y), marker && vertical(scale.x(marker.x), marker.label), lines],
    series.length > 1 ? series : [],
  );
}

/** An axis for a share, from 0% to 100%. */
export const SHARE = { min: 0, max: 1, format: (value: number) => `${Math.round(value * 100)}%` };

/**
 * Reliability diagram: accuracy against confidence, with a bar for each bin that is not empty. Bins of fewer
 * predictions are paler.
 */
export function reliabilityDiagram(title: string, bins: readonly Bin[]): Markup {
  const x = { ...SHARE, title: 'Confidence' };
  const y = { ...SHARE, title: 'Accuracy' };
  const scale = scaleOf(x, y);
  const most = Math.max(1, ...bins.map(({ count }) => count));
  const bars = bins
    .filter(({ count }) => count > 0)
    .map(({ low, high, count, confidence, accuracy }) => {
      const left = scale.x(low) + 1;
      const top = scale.y(accuracy);
      // The bar of a single prediction must still be visible.
      const opacity = round(0.3 + 0.7 * Math.sqrt(count / most));
      return html`<rect class="bar" x="${left}" y="${top}" width="${round(scale.x(high) - left - 1)}" height="${round(PLOT.bottom - top)}" opacity="${opacity}"><title>${`${count} ${count === 1 ? 'prediction' : 'predictions'}, ${percent(accuracy)} correct, mean confidence ${percent(confidence)}`}</title></rect>`;
    });
  const diagonal = html`<path class="diagonal" d="M${scale.x(0)} ${scale.y(0)}L${scale.x(1)} ${scale.y(1)}"/>`;
  return figure(title, [frame(x, y), bars, diagonal], []);
}

/** Draws a share as a dot and its confidence interval as a line, on a scale of 0 to 100 %. */
export function intervalBar(share: number, low: number, high: number, tone: Series['tone']): Markup {
  const at = (value: number) => round(2 + value * 196);
  return html`<svg class="interval" viewBox="0 0 200 16" role="img" aria-label="${percent(low)} to ${percent(high)}"><path class="grid" d="M2 13H198M2 10V16M100 10V16M198 10V16"/><path class="series ${tone}" d="M${at(low)} 6H${at(high)}"/><circle class="dot ${tone}" cx="${at(share)}" cy="6" r="4"/></svg>`;
}

function figure(title: string, content: Content, legend: readonly Series[]): Markup {
  return html`<figure><figcaption>${title}${legend.map(({ name, tone }) => html`<span class="key ${tone}">${name}</span>`)}</figcaption><svg class="plot" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title}">${content}</svg></figure>`;
}

function frame(x: Axis, y: Axis): Markup {
  const scale = scaleOf(x, y);
  const middle = (PLOT.left + PLOT.right) / 2;
  return html`${ticksOf(y).map(
    (value) =>
      html`<path class="grid" d="M${PLOT.left} ${scale.y(value)}H${PLOT.right}"/><text x="${PLOT.left - 6}" y="${scale.y(value) + 4}" text-anchor="end">${y.format(value)}</text>`,
  )}${ticksOf(x).map(
    (value) => html`<text x="${scale.x(value)}" y="${PLOT.bottom + 17}" text-anchor="middle">${x.format(value)}</text>`,
  )}<text x="${middle}" y="${HEIGHT - 6}" text-anchor="middle">${x.title}</text><text transform="translate(11 ${(PLOT.top + PLOT.bottom) / 2}) rotate(-90)" text-anchor="middle">${y.title}</text>`;
}

/** A marker; its label is on the side with more room. */
function vertical(x: number, label: string): Markup {
  const anchor = x > (PLOT.left + PLOT.right) / 2 ? 'end' : 'start';
  return html`<path class="marker" d="M${x} ${PLOT.top}V${PLOT.bottom}"/><text class="strong" x="${x + (anchor === 'end' ? -6 : 6)}" y="${PLOT.bottom - 8}" text-anchor="${anchor}">${label}</text>`;
}

function scaleOf(x: Axis, y: Axis): { x: (value: number) => number; y: (value: number) => number } {
  const along =
    ({ min, max }: Axis, from: number, to: number) =>
    (value: number) =>
      round(from + ((Math.min(max, Math.max(min, value)) - min) / (max - min || 1)) * (to - from));
  return { x: along(x, PLOT.left, PLOT.right), y: along(y, PLOT.bottom, PLOT.top) };
}

/** About five round values within the axis. */
function ticksOf({ min, max }: Axis): number[] {
  const rough = (max - min) / 5 || 1;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = magnitude * ([1, 2, 5, 10].find((factor) => factor * magnitude >= rough * 0.999) ?? 10);
  const first = Math.ceil(min / step - 1e-6);
  return Array.from({ length: Math.floor(max / step + 1e-6) - first + 1 }, (_, i) => (first + i) * step);
}

/** Rounds to a tenth of a unit, which is finer than a pixel. */
function round(value: number): number {
  return Math.round(value * 10) / 10;
}
