import { describe, expect, it } from 'vitest';
import { choice, flag, readArguments, share, text, texts, wholeNumber } from '../../src/command/options.ts';
import { UsageError } from '../../src/command/usage-error.ts';

const OPTIONS = {
  model: text('<model>', ''),
  'top-k': wholeNumber('', 1, 5),
  runtime: choice(['onnx', 'tfjs'], '', 'onnx'),
  opacity: share('', 0.5),
  set: texts('<option>=<value>', ''),
  yes: flag(''),
} as const;

describe('arguments', () => {
  it('have the values of their options, and defaults for the others', () => {
    const args = ['a.jpg', '--model', 'x', '--top-k=3', '--set', 'a=1', '--set', 'b=2', '--yes', '--', '--b.jpg'];
    expect(readArguments(args, OPTIONS)).toEqual({
      values: { model: 'x', 'top-k': 3, runtime: 'onnx', opacity: 0.5, set: ['a=1', 'b=2'], yes: true },
      positionals: ['a.jpg', '--b.jpg'],
    });
  });

  it.each<[readonly string[], string]>([
    [['--topk', '3'], 'there is no option --topk; did you mean --top-k?'],
    [['--frobnicate'], 'there is no option --frobnicate'],
    [['-m', 'x'], 'there is no option -m'],
    [['-my.jpg'], 'there is no option -m; a path that begins with a dash is written ./-my.jpg'],
    [['--model'], '--model needs a value: --model <model>'],
    [['--model', '--yes'], '--model needs a value: --model <model>'],
    [['--yes=no'], '--yes takes no value'],
    [['--runtime', 'tf'], '--runtime: "tf" is not one of onnx, tfjs'],
    [['--opacity', '2'], '--opacity: "2" is not a number from 0 to 1'],
    ...['', '1.5', '-1', '0', 'x', '1e99'].map(
      (typed) =>
        [[`--top-k=${typed}`], `--top-k: "${typed}" is not a whole number of at least 1`] satisfies [string[], string],
    ),
  ])('%j are refused', (args, message) => {
    expect(() => readArguments(args, OPTIONS)).toThrow(new UsageError(message));
  });

  it('may have the names of what every object has', () => {
    expect(() => readArguments(['--constructor'], OPTIONS)).toThrow('there is no option --constructor');
  });
});
