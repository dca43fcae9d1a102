import { describe, expect, it } from 'vitest';
import { buildTrainingReport } from '../../../src/finetuning/report/report.ts';
import { renderReport } from '../../../src/finetuning/report/report-html.ts';
import { reportInput } from './report-fixture.ts';

const input = reportInput();
const report = buildTrainingReport(input);
const page = renderReport(report);
const count = (text: string, part: RegExp) => text.match(part)?.length ?? 0;

describe('the page of a report', () => {
  it('is whole: no script, nothing fetched', () => {
    expect(page).toMatch(/^<!doctype html>/);
    expect(page).toContain("default-src 'none'");
    expect(page).not.toMatch(/<script|<link|https?:|url\(|src="(?!data:)|\son\w+=/i);
    expect(page).not.toMatch(/undefined|NaN|\[object/);
  });

  it('says in its headline how often the model is right and what it confuses', () => {
    expect(page).toMatch(/<h1>Right about 8\d times in 100; most often it takes rose for tulip<\/h1>/);
  });

  it('closes every element that it opens', () => {
    const open: string[] = [];
    for (const [, closing, name = '', selfClosed] of page.matchAll(/<(\/?)([a-z][a-z0-9]*)\b[^>]*?(\/?)>/gi)) {
      if (['meta', 'img'].includes(name) || selfClosed === '/') continue;
      if (closing === '') open.push(name);
      else expect(open.pop()).toBe(name);
    }
    expect(open).toEqual([]);
  });

  it('draws the curves, the calibration before and after, and the threshold', () => {
    expect(count(page, /class="plot"/g)).toBe(5);
    expect(count(page, /class="series accent"/g)).toBe(4);
    expect(page).toContain('best: 14');
    expect(page).toMatch(/threshold \d+\.\d%<\/text>/);
    expect(count(page, /class="bar"/g)).toBeGreaterThan(8);
  });

  it('says which layers of the backbone the head reads, when it is more than the last', () => {
    expect(page).not.toContain('Of the backbone');
    const input = reportInput();
    const layers = [...[32, 64].map((size, i) => ({ name: `stage${i + 1}`, size })), { name: 'avgpool', size: 512 }];
    const layered = renderReport(buildTrainingReport({ ...input, training: { ...input.training, layers } }));
    expect(layered).toContain(
      'reads its features, avgpool (512 values), and before that the mean of each channel after stage2 (64 values), stage1 (32 values)',
    );
  });

  it('shows names as text, whatever they hold', () => {
    const classes = ['<script>alert(1)</script>', '"onload="x', "a'b", '&amp;'];
    const hostile = renderReport(buildTrainingReport(reportInput({ classes })));
    expect(hostile).not.toContain('<script');
    expect(hostile).not.toMatch(/\s"?onload=/);
    expect(hostile).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(hostile).toContain('&amp;amp;');
  });

  it('shows the thumbnails there are', () => {
    const image = report.test?.worst_mistakes[0]?.image ?? '';
    const thumbnail = 'data:image/jpeg;base64,AAAA';
    expect(page).not.toContain('<img');
    expect(renderReport(report, new Map([[image, thumbnail]]))).toContain(`<img src="${thumbnail}"`);
  });

  it('keeps a confusion matrix of many classes readable', () => {
    const classes = Array.from({ length: 60 }, (_, i) => `class ${i}`);
    const many = renderReport(buildTrainingReport(reportInput({ classes, perClass: 5 })));
    const matrix = many.slice(
      many.indexOf('<table class="matrix'),
      many.indexOf('</table>', many.indexOf('<table class="matrix')),
    );
    expect(count(matrix, /<th scope="row"/g)).toBe(20);
    expect(matrix).toContain('The 20 of 60 classes with the most mistakes');
  });

  it('warns in its headline of a model that is no better than guessing', () => {
    const guessing = { majorityClass: { label: 0, accuracy: 1, interval: { low: 1, high: 1 } } };
    const baselines = { ...input.test.baselines, ...guessing };
    const poor = renderReport(buildTrainingReport({ ...input, test: { ...input.test, baselines } }));
    expect(poor).toMatch(/<h1>No better than guessing: right about/);
  });

  it('does not claim to be right always when it was not', () => {
    const test = { ...input.test, evaluation: { ...input.test.evaluation, accuracy: 0.998 } };
    expect(renderReport(buildTrainingReport({ ...input, test }))).toContain('Right more than 99 times in 100');
  });

  it('says what is missing when no image was kept for testing', () => {
    const untested = renderReport(buildTrainingReport({ ...input, test: undefined }));
    expect(untested).toContain('<h1>Nobody knows yet how often it is right</h1>');
    expect(untested).not.toContain('class="matrix"');
    expect(untested).toContain('best: 14');
  });

  it('stands without epochs, warnings and mistakes', () => {
    const perfect = reportInput({ skill: 50 });
    const bare = renderReport(
      buildTrainingReport({
        ...perfect,
        preflight: { ...perfect.preflight, warnings: [] },
        training: { ...perfect.training, history: [] },
      }),
    );
    expect(bare).not.toMatch(/undefined|NaN/);
    expect(bare).toContain('No test image was answered wrong.');
    expect(bare).toContain('found nothing to warn of');
  });
});
