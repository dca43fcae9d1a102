import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fetchNpmFolder } from '../../src/download/npm-package.ts';
import { runTool } from '../../src/download/run-tool.ts';
import { fetchWheel } from '../../src/download/wheel.ts';

const { PATH } = process.env;
const { signal } = new AbortController();
let folder: string;
let tools: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tools-'));
  tools = join(folder, 'bin');
  await mkdir(tools);
});

afterEach(async () => {
  process.env['PATH'] = PATH;
  await rm(folder, { recursive: true });
});

/** Puts a program of this name first on the PATH. */
async function tool(name: string, script: string): Promise<void> {
  await writeFile(join(tools, name), `#!/bin/sh\n${script}\n`);
  await chmod(join(tools, name), 0o755);
  process.env['PATH'] = `${tools}${delimiter}${PATH}`;
}

describe('a wheel', () => {
  test('is fetched with pip, without its dependencies', async () => {
    await tool('python3', `echo "$@" > ${folder}/args; touch ${folder}/a-1.0-py3-none-any.whl`);
    expect(await fetchWheel('a==1.0', folder, signal)).toBe(join(folder, 'a-1.0-py3-none-any.whl'));
    const args = readFileSync(join(folder, 'args'), 'utf8');
    expect(args).toMatch(/^-m pip download --no-deps --only-binary :all: .*a==1\.0\n$/);
  });

  test('that pip cannot get fails with the words of pip', async () => {
    await tool('python3', 'echo "ERROR: No matching distribution found for a==1.0" >&2; exit 1');
    await expect(fetchWheel('a==1.0', folder, signal)).rejects.toThrow('No matching distribution found for a==1.0');
  });

  test('needs pip', async () => {
    process.env['PATH'] = tools;
    await expect(fetchWheel('a==1.0', folder, signal)).rejects.toThrow('pip, which is not installed here');
  });
});

describe('a folder of an npm package', () => {
  let integrity: string;

  beforeEach(async () => {
    const files = join(folder, 'package', 'models');
    await mkdir(files, { recursive: true });
    await writeFile(join(files, 'model.json'), '{}');
    await writeFile(join(folder, 'package', 'package.json'), '{}');
    await runTool('tar', ['-czf', join(folder, 'made.tgz'), '-C', folder, 'package'], signal);
    const bytes = readFileSync(join(folder, 'made.tgz'));
    integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
    await mkdir(join(folder, 'scratch'));
    await tool('npm', `echo "$@" > ${folder}/args; cp ${folder}/made.tgz ${folder}/scratch/a-1.0.0.tgz`);
  });

  const fetchIt = (changes = {}) =>
    fetchNpmFolder(
      { name: 'a', version: '1.0.0', path: 'models', integrity, ...changes },
      join(folder, 'scratch'),
      signal,
    );

  test('is fetched with npm, without its scripts; nothing else of the package is unpacked', async () => {
    const unpacked = await fetchIt();
    expect(readFileSync(join(unpacked, 'model.json'), 'utf8')).toBe('{}');
    expect(() => readFileSync(join(folder, 'scratch', 'package', 'package.json'))).toThrow('ENOENT');
    expect(readFileSync(join(folder, 'args'), 'utf8')).toMatch(/^pack a@1\.0\.0 .*--ignore-scripts/);
  });

  test('of another package than the pinned one is refused before it is unpacked', async () => {
    const other = `sha512-${'A'.repeat(86)}==`;
    await expect(fetchIt({ integrity: other })).rejects.toThrow(`a@1.0.0 has integrity ${integrity}, not ${other}`);
    expect(() => readFileSync(join(folder, 'scratch', 'package', 'models', 'model.json'))).toThrow('ENOENT');
  });
});

test('a program ends when its signal aborts', async () => {
  const controller = new AbortController();
  const running = runTool('sleep', ['60'], controller.signal);
  controller.abort(new Error('cancelled'));
  await expect(running).rejects.toThrow('cancelled');
});
