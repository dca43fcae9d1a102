import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, test } from 'vitest';
import { oneOf, parseArguments, UsageError, wholeNumber } from '../../scripts/command-line.ts';

/** Runs a compiled script. */
async function run(script: string, args: readonly string[]) {
  return promisify(execFile)(process.execPath, [`dist/scripts/${script}.js`, ...args]).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
  );
}

const scripts = readdirSync('scripts')
  .filter((file) => file.endsWith('.ts') && file !== 'command-line.ts')
  .filter((file) => /\b(readCommandLine|asksForHelp)\(/.test(readFileSync(join('scripts', file), 'utf8')))
  .map((file) => basename(file, '.ts'));

describe.concurrent.each(scripts)('the script %s', (script) => {
  test('prints its usage with --help', async () => {
    const { code, stdout, stderr } = await run(script, ['--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^usage: npm run /);
    expect(Math.max(...stdout.split('\n').map((line: string) => line.length))).toBeLessThanOrEqual(100);
  });

  test('says what is wrong with its arguments, without a stack trace', async () => {
    const { code, stdout, stderr } = await run(script, ['--nope']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^Unknown option '--nope'\n\nusage: npm run /);
  });
});

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
