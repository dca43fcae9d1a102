import { describe, expect, it } from 'vitest';
import { oneOf, parseArguments, UsageError, wholeNumber } from '../../scripts/command-line.ts';

describe('arguments', () => {
  it('are refused when a value is missing', () => {
    expect(() => parseArguments(['--seed'], { seed: { type: 'string' } })).toThrow(UsageError);
  });

  it.each(['', '1.5', '-1', 'x', '1e99'])('are refused when "%s" should be a whole number', (text) => {
    expect(() => wholeNumber('--seed', text, 0)).toThrow(`--seed: "${text}" is not a whole number of at least 0`);
  });

  it('are refused when they are none of the choices', () => {
    expect(oneOf('--runtime', 'tfjs', ['onnx', 'tfjs'])).toBe('tfjs');
    expect(() => oneOf('--runtime', 'tf', ['onnx', 'tfjs'])).toThrow('--runtime: "tf" is not one of onnx, tfjs');
  });
});
