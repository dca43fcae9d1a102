import type { Calibration, TestReport } from '../../api/schema.ts';
import { h, shape } from '../../dom.ts';
import { percent } from '../../format.ts';

const SIZE = 220;
const MARGIN = { left: 48, bottom: 34, top: 8, right: 8 };
const TICKS = [0, 0.5, 1];

/** Reliability diagram: accuracy by confidence. A calibrated model lies on the diagonal. */
export function calibrationPlot({ calibration: { after } }: TestReport): HTMLElement {
  return h(
    'div',
    { class: 'block' },
    diagram(after),
    h('p', {}, `On average, confidence and accuracy differ by ${percent(after.error)}.`),
  );
}

function diagram({ bins, error }: Calibration): HTMLElement {
  const width = SIZE + MARGIN.left + MARGIN.right;
  const height = SIZE + MARGIN.top + MARGIN.bottom;
  const x = (value: number): number => MARGIN.left + value * SIZE;
  const y = (value: number): number => MARGIN.top + (1 - value) * SIZE;
  const most = Math.max(1, ...bins.map(({ count }) => count));
  const bars = bins
    .filter(({ count }) => count > 0)
    .map(({ low, high, accuracy, count }) =>
      shape('rect', {
        class: 'bin',
        x: x(low) + 1,
        y: y(accuracy),
        width: Math.max(1, (high - low) * SIZE - 2),
        height: Math.max(1, accuracy * SIZE),
        // Bins with few images are paler.
        opacity: 0.25 + 0.75 * Math.sqrt(count / most),
      }),
    );
  const text = (content: string, attributes: Record<string, string | number>): SVGElement => {
    const element = shape('text', attributes);
    element.textContent = content;
    return element;
  };
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', `Accuracy by confidence in ${bins.length} bins; calibration error ${percent(error)}`);
  svg.append(
    shape('rect', { class: 'frame', x: x(0), y: y(1), width: SIZE, height: SIZE }),
    ...bars,
    shape('line', { class: 'ideal', x1: x(0), y1: y(0), x2: x(1), y2: y(1) }),
    ...TICKS.flatMap((tick) => [
      text(percent(tick, 0), { x: x(tick), y: y(0) + 15, 'text-anchor': tick === 1 ? 'end' : 'middle' }),
      text(percent(tick, 0), { x: x(0) - 6, y: y(tick) + 4, 'text-anchor': 'end' }),
    ]),
    text('confidence', { x: x(0.5), y: height - 4, 'text-anchor': 'middle' }),
    text('accuracy', { x: -y(0.5), y: 10, 'text-anchor': 'middle', transform: 'rotate(-90)' }),
  );
  return h('figure', { class: 'diagram' }, svg);
}
