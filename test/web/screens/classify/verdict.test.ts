import { describe, expect, test } from 'vitest';
import { agreementOf, isUnsure } from '../../../../src/web/screens/classify/verdict.ts';
import type { SessionPicture } from '../../../../src/web/session.ts';

/** A picture with an answer of each model: class, score, and whether it is unknown. */
function answered(...answers: readonly (readonly [string, number, boolean?])[]): SessionPicture {
  const entries = answers.map(([label, score, unknown], model) => {
    const predictions = [{ label, score, index: 0, synset: null }];
    const timings = { decode_ms: 1, queue_ms: 0, inference_ms: 4, batch_size: 2 };
    const result = { filename: 'x.png', predictions, unknown, timings };
    return [String(model), { state: 'answered', version: 1, result }] as const;
  });
  return { file: new File([], 'x.png'), url: '', answers: new Map(entries) };
}

describe('two models', () => {
  test.each([
    ['agree when one of them is sure', ['dog', 0.9], ['dog', 0.3], 'agree'],
    ['agree that they know no such thing', ['dog', 0.9, true], ['cat', 0.3, true], 'agree'],
    ['name the same class though none is sure', ['dog', 0.7], ['dog', 0.3], 'unsure'],
    ['do not confirm each other by the same guess', ['dog', 0.3], ['dog', 0.4], 'same_guess'],
    ['differ by their classes', ['dog', 0.9], ['cat', 0.9], 'differ'],
    ['differ where one of them does not know the thing', ['dog', 0.9], ['dog', 0.9, true], 'differ'],
  ] as const)('%s', (_, first, second, agreement) => {
    expect(agreementOf(answered(first, second), ['0', '1'])).toBe(agreement);
  });

  test('are not compared before both have answered', () => {
    expect(agreementOf(answered(['dog', 0.9]), ['0', '1'])).toBe('none');
  });
});

test('an image is unsure when no model is sure of it', () => {
  expect(isUnsure(answered(['dog', 0.79], ['dog', 0.3]), ['0', '1'])).toBe(true);
  expect(isUnsure(answered(['dog', 0.8], ['dog', 0.3]), ['0', '1'])).toBe(false);
  expect(isUnsure(answered(['dog', 0.99, true]), ['0'])).toBe(true);
  expect(isUnsure(answered(), ['0'])).toBe(false);
});
