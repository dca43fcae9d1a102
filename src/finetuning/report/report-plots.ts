import { type Content, html, type Markup } from './report-markup.ts';

/** A point of a plot, in the units of its axes. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** One line. The accent is for what the reader should look at, muted for what it is compared with. */
export interface Series {
  readonly name: string;
  readonly tone: 'accent' | 'muted';
  readonly points: readonly Point[];
}

/** What an axis spans, and how its ticks read. */
export interface Axis {
  readonly title: string;
  readonly min: number;
  readonly max: number;
  readonly format: (value: number) => string;
}

/** A plot of lines over common axes. */
export interface LinePlot {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** A vertical line with a word beside it. */
  readonly marker?: { readonly x: number; readonly label: string };
}

/** Answers of like confidence. */
export interface Bin {
  readonly low: number;
  readonly high: number;
  readonly count: number;
  readonly confidence: number;
  readonly accuracy: number;
}

const WIDTH = 400;
const HEIGHT = 260;
/** Room for the ticks and titles of the axes, in units of the drawing. */
const PLOT = { left: 56, right: 382, top: 14, bottom: 212 };

/** Draws lines with axes, and a legend where there are several. */
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

const SHARE = { min: 0, max: 1, format: (value: number) => `${Math.round(value * 100)}%` };

/**
 * Reliability diagram: the accuracy of answers against their confidence, a bar for each bin that has answers. Bars on the
 * diagonal are honest; one below it is too sure of itself. Bins of few answers are paler.
 */
export function reliabilityDiagram(title: string, bins: readonly Bin[]): Markup {
  const x = { ...SHARE, title: 'Confidence of the answer' };
  const y = { ...SHARE, title: 'Share that is right' };
  const scale = scaleOf(x, y);
  const most = Math.max(1, ...bins.map(({ count }) => count));
  const bars = bins
    .filter(({ count }) => count > 0)
    .map(({ low, high, count, confidence, accuracy }) => {
      const left = scale.x(low) + 1;
      const top = scale.y(accuracy);
      // Even a single answer must be seen.
      const opacity = round(0.3 + 0.7 * Math.sqrt(count / most));
      return html`<rect class="bar" x="${left}" y="${top}" width="${round(scale.x(high) - left - 1)}" height="${round(PLOT.bottom - top)}" opacity="${opacity}"><title>${count} answers of ${percentOf(confidence)} confidence on average, ${percentOf(accuracy)} right</title></rect>`;
    });
  const diagonal = html`<path class="diagonal" d="M${scale.x(0)} ${scale.y(0)}L${scale.x(1)} ${scale.y(1)}"/>`;
  return figure(title, [frame(x, y), bars, diagonal], []);
}

/** A share with a whiskered bar for its interval, along a common scale of 0 to 100 %. */
export function intervalBar(share: number, low: number, high: number, tone: Series['tone']): Markup {
  const at = (value: number) => round(2 + value * 196);
  return html`<svg class="interval" viewBox="0 0 200 16" role="img" aria-label="${percentOf(low)} to ${percentOf(high)}"><path class="grid" d="M2 13H198M2 10V16M100 10V16M198 10V16"/><path class="series ${tone}" d="M${at(low)} 6H${at(high)}"/><circle class="dot ${tone}" cx="${at(share)}" cy="6" r="4"/></svg>`;
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

/** The word stands on the side where there is room. */
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

function percentOf(share: number): string {
  return `${(share * 100).toFixed(1)}%`;
}

/** A tenth of a unit is finer than a pixel. */
function round(value: number): number {
  return Math.round(value * 10) / 10;
}
