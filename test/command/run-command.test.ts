import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it, test } from 'vitest';
import { COMMANDS } from '../../src/command/commands.ts';
import { menagerie } from './run.ts';

const names = Object.keys(COMMANDS);

describe.each(names)('menagerie %s', (name) => {
  it('prints its help with --help', async () => {
    const { code, stdout, stderr } = await menagerie([name, '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(new RegExp(`^usage: menagerie ${name} .*\\n\\n${COMMANDS[name]?.summary}`));
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(108);
  });

  it('names the nearest option of a wrong one, and exits with 2', async () => {
    const { code, stdout, stderr } = await menagerie([name, '--hepl']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^there is no option --hepl; did you mean --help\?\n\nusage: menagerie /);
  });
});

test('menagerie --help lists the commands and the exit codes', async () => {
  const { code, stdout, stderr } = await menagerie(['--help']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  for (const name of names) expect(stdout).toMatch(new RegExp(`^ {2}${name} `, 'm'));
  expect(stdout).toContain('Exit codes: 0 done');
  expect(await menagerie(['help'])).toEqual({ code, stdout, stderr });
});

test('an unknown command names the nearest', async () => {
  expect((await menagerie(['lsit'])).stderr).toMatch(/^there is no command lsit; did you mean list\?/);
  const { code, stdout, stderr } = await menagerie(['clasify', 'photo.jpg']);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toBe('there is no command clasify; did you mean classify?\n\nmenagerie --help lists the commands\n');
});

test('with --json, standard output has one document, for an error too', async () => {
  const { code, stdout, stderr } = await menagerie(['classify', '--json']);
  expect(code).toBe(2);
  expect(JSON.parse(stdout)).toEqual({ error: { code: 'usage', message: 'the image is missing' } });
  expect(stderr).toMatch(/^the image is missing\n/);
});

test('a wrong setting is wrong usage', async () => {
  const { code, stderr } = await menagerie(['list'], { PORT: 'eighty' });
  expect(code).toBe(2);
  expect(stderr).toMatch(/^settings are wrong:\n {2}PORT=eighty: [^\n]*\n/);
});

test('the process exits with the code, and its version is that of the package', async () => {
  const run = (...args: string[]) => promisify(execFile)(process.execPath, ['dist/src/main.js', ...args]);
  expect(await run('--version')).toEqual({ stdout: `${process.env['npm_package_version'] ?? '0.1.0'}\n`, stderr: '' });
  await expect(run('--nope')).rejects.toMatchObject({ code: 2 });
});
