import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';

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
