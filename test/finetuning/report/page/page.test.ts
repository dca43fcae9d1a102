import { describe, expect, it } from 'vitest';
import { RobustnessTally } from '../../../../src/finetuning/head/robustness.ts';
import { renderReport } from '../../../../src/finetuning/report/page/page.ts';
import { buildTrainingReport } from '../../../../src/finetuning/report/report.ts';
import { CORRUPTIONS, SEVERITIES } from '../../../../src/image/corruptions/corrupt.ts';
import { reportInput } from '../report-fixture.ts';

const input = reportInput();
const report = buildTrainingReport(input);
const page = renderReport(report);
const count = (text: string, part: RegExp) => text.match(part)?.length ?? 0;

describe('the page of a report', () => {
  it('has no scripts and loads nothing', () => {
    expect(page).toMatch(/^<!doctype html>/);
    expect(page).toContain("default-src 'none'");
    expect(page).not.toMatch(/<script|<link|https?:|url\(|src="(?!data:)|\son\w+=/i);
    expect(page).not.toMatch(/undefined|NaN|\[object/);
  });

  it('has the accuracy and the most frequent mistake in its headline', () => {
    expect(page).toMatch(/<h1>Classifies about 8\d of 100 images correctly; most often mistakes rose for tulip<\/h1>/);
  });

  it('closes every element that it opens', () => {
    const open: string[] = [];
    for (const [, closing, name = '', selfClosed] of page.matchAll(/<(\/?)([a-z][a-z0-9]*)\b[^>]*?(\/?)>/gi)) {
      if (['meta', 'img', 'wbr'].includes(name) || selfClosed === '/') continue;
      if (closing === '') open.push(name);
      else expect(open.pop()).toBe(name);
    }
    expect(open).toEqual([]);
  });

  it('draws the curves, the calibration before and after, and the threshold', () => {
    expect(count(page, /class="plot"/g)).toBe(5);
    expect(count(page, /class="series accent"/g)).toBe(4);
    expect(page).toContain('>epoch 14</text>');
    expect(page).toMatch(/threshold \d+\.\d%<\/text>/);
    expect(count(page, /class="bar"/g)).toBeGreaterThan(8);
  });

  it('shows the answers to corrupted images, if they were tested', () => {
    expect(page).not.toContain('<h2>Robustness</h2>');
    const tally = new RobustnessTally();
    for (const corruption of CORRUPTIONS) {
      for (const severity of SEVERITIES) {
        const predicted = corruption === 'fog' && severity > 1 ? 3 : 1;
        tally.add({ corruption, severity, id: 'rose/1.jpg', label: 1, predicted, confidence: 0.9, rightBefore: true });
      }
    }
    const tested = { ...input.test, robustness: tally.result(0.9) };
    const robust = buildTrainingReport({ ...input, test: tested });
    expect(robust.test?.robustness).toMatchObject({
      images: 1,
      corruptions: expect.arrayContaining([{ corruption: 'fog', accuracy: 0.2, by_severity: [1, 0, 0, 0, 0] }]),
      worst: [{ picture: 'fog 2: rose/1.jpg', label: 'rose', predicted: 'tulip' }, { severity: 3 }],
    });
    const text = renderReport(robust, new Map([['fog 2: rose/1.jpg', 'data:image/jpeg;base64,AAAA']]));
    expect(text).toContain('<h2>Robustness</h2>');
    expect(text).toMatch(/<th scope="row">fog<\/th><td>100(\.0)?%<\/td><td>0(\.0)?%<\/td>/);
    expect(text).toContain(
      '<img src="data:image/jpeg;base64,AAAA" alt=""><b>tulip, 90.0%</b>true class: rose; fog, severity 2',
    );
    expect(count(text, /class="plot"/g)).toBe(6);
  });

  it('names the layers of the backbone that the head reads, if it reads more than the last', () => {
    expect(page).not.toContain('Input of the head');
    const input = reportInput();
    const layers = [...[32, 64].map((size, i) => ({ name: `stage${i + 1}`, size })), { name: 'avgpool', size: 512 }];
    const layered = renderReport(buildTrainingReport({ ...input, training: { ...input.training, layers } }));
    expect(layered).toContain(
      'avgpool (512 values), and the channel means of earlier layers: stage2 (64 values), stage1 (32 values).',
    );
  });

  it('escapes names', () => {
    const classes = ['<script>alert(1)</script>', '"onload="x', "a'b", '&amp;'];
    const hostile = renderReport(buildTrainingReport(reportInput({ classes })));
    expect(hostile).not.toContain('<script');
    expect(hostile).not.toMatch(/\s"?onload=/);
    expect(hostile).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(hostile).toContain('&amp;amp;');
  });

  it('shows the thumbnails that it is given', () => {
    const image = report.test?.worst_mistakes[0]?.image ?? '';
    const thumbnail = 'data:image/jpeg;base64,AAAA';
    expect(page).not.toContain('<img');
    expect(renderReport(report, new Map([[image, thumbnail]]))).toContain(`<img src="${thumbnail}"`);
  });

  it('shows at most 20 classes in the confusion matrix', () => {
    const classes = Array.from({ length: 60 }, (_, i) => `class ${i}`);
    const many = renderReport(buildTrainingReport(reportInput({ classes, perClass: 5 })));
    const matrix = many.slice(
      many.indexOf('<table class="matrix'),
      many.indexOf('</table>', many.indexOf('<table class="matrix')),
    );
    expect(count(matrix, /<th scope="row"/g)).toBe(20);
    expect(matrix).toContain('Shown are the 20 of 60 classes with the most mistakes');
  });

  it('says in its headline that a model is no better than guessing', () => {
    const guessing = { majorityClass: { label: 0, accuracy: 1, interval: { low: 1, high: 1 } } };
    const baselines = { ...input.test.baselines, ...guessing };
    const poor = renderReport(buildTrainingReport({ ...input, test: { ...input.test, baselines } }));
    expect(poor).toMatch(/<h1>No better than guessing: classifies about/);
  });

  it('does not round an accuracy up to 100 %', () => {
    const test = { ...input.test, evaluation: { ...input.test.evaluation, accuracy: 0.998 } };
    expect(renderReport(buildTrainingReport({ ...input, test }))).toContain(
      'Classifies more than 99 of 100 images correctly',
    );
  });

  it('says that the detector of other things is a guess on few images', () => {
    const { detector, ...rest } = input.novelty;
    const few = buildTrainingReport({ ...input, novelty: { ...rest, detector: { ...detector, judged: 12 } } });
    expect(renderReport(few)).toContain('chosen on 12 images only');
    expect(page).not.toContain('images only');
  });

  it('says that the accuracy is unknown without test images', () => {
    const untested = renderReport(buildTrainingReport({ ...input, test: undefined }));
    expect(untested).toContain('<h1>The accuracy is unknown</h1>');
    expect(untested).not.toContain('class="matrix"');
    expect(untested).toContain('>epoch 14</text>');
  });

  it('is complete without epochs, warnings and mistakes', () => {
    const perfect = reportInput({ skill: 50 });
    const bare = renderReport(
      buildTrainingReport({
        ...perfect,
        preflight: { ...perfect.preflight, warnings: [] },
        training: { ...perfect.training, history: [] },
      }),
    );
    expect(bare).not.toMatch(/undefined|NaN/);
    expect(bare).toContain('All test images were classified correctly.');
    expect(bare).toContain('found no problems');
  });
});
