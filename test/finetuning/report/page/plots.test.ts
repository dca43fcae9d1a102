import { describe, expect, it } from 'vitest';
import { linePlot, reliabilityDiagram } from '../../../../src/finetuning/report/page/plots.ts';

const axis = (max: number) => ({ title: 'axis', min: 0, max, format: String });

describe('linePlot', () => {
  it('puts ticks at round values', () => {
    const { text } = linePlot({ title: 't', x: axis(23), y: axis(1), series: [] });
    const ticks = [...text.matchAll(/text-anchor="(middle|end)">([\d.]+)</g)].map(([, anchor, value]) => [
      anchor,
      Number(value),
    ]);
    expect(ticks.filter(([anchor]) => anchor === 'middle').map(([, value]) => value)).toEqual([0, 5, 10, 15, 20]);
    expect(ticks.filter(([anchor]) => anchor === 'end').map(([, value]) => value)).toHaveLength(6);
  });

  it('clips values to the axis and draws a single point as a dot', () => {
    const plot = (x: number, y: number) =>
      linePlot({ title: 't', x: axis(1), y: axis(1), series: [{ name: 's', tone: 'accent', points: [{ x, y }] }] })
        .text;
    expect(plot(1, 7)).toBe(plot(1, 1));
    expect(plot(0.5, 0.5)).toContain('<circle');
  });
});

describe('reliabilityDiagram', () => {
  it('has a bar for each bin that is not empty, as high as its accuracy', () => {
    const bin = { low: 0.8, high: 0.9, count: 4, confidence: 0.85 };
    const { text } = reliabilityDiagram('t', [
      { ...bin, accuracy: 1 },
      { ...bin, accuracy: 0.5 },
      { ...bin, count: 0, accuracy: 0 },
    ]);
    const heights = [...text.matchAll(/height="([\d.]+)"/g)].map(([, height]) => Number(height));
    expect(heights).toHaveLength(2);
    expect(heights[0]).toBeCloseTo(2 * (heights[1] ?? 0));
  });
});
