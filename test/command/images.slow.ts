import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { colouredPicture, colourZip } from '../../scripts/labelled-zip.ts';
import { menagerie, type Outcome } from './run.ts';

let folder: string;
let zip: string;
let blue: string;
let run: (...args: string[]) => Promise<Outcome>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-command-'));
  run = (...args) => menagerie(args, { DATA_DIR: join(folder, 'data') });
  zip = join(folder, 'colours.zip');
  blue = join(folder, 'photos', 'blue.png');
  await mkdir(join(folder, 'photos'));
  await writeFile(blue, await colouredPicture('blue', 3));
  await writeFile(join(folder, 'photos', 'red.png'), await colouredPicture('red', 3));
  await writeFile(zip, await colourZip(8));
});

afterAll(() => rm(folder, { recursive: true }));

describe('menagerie finetune', () => {
  it('teaches a model, whose report, answers and export then are there', async () => {
    const taught = await run('finetune', zip, '--name', 'colours', '--set', 'epochs=5', '--set', 'layers=last');
    expect(taught.code).toBe(0);
    expect(taught.stdout).toMatch(/^blue +[01]\.\d\d/m);
    expect(taught.stdout).toContain('Try it: npx menagerie classify photo.jpg --model colours');

    const classified = await run('classify', join(folder, 'photos'), '--model', 'colours', '--top-k', '1');
    // What takes more than a few seconds, as on a busy machine, tells its progress.
    expect(classified).toMatchObject({ code: 0, stderr: expect.stringMatching(/^(?:\d+\/\d+ images.*\n)*$/) });
    expect(classified.stdout).toMatch(
      /^colours, version 1\n\n.*blue\.png\n +[\d.]+ % {2}blue\n\n.*red\.png\n.* red\n$/,
    );

    const html = join(folder, 'report.html');
    const reported = await run('report', 'colours', '--out', html);
    expect(reported.stdout).toContain(`Report: ${html}`);
    expect(await readFile(html, 'utf8')).toMatch(/^<!doctype html>/i);

    const exported = await run('export', 'colours', '--format', 'safetensors', '--out', folder, '--json');
    const file = join(folder, 'colours-1-safetensors.zip');
    expect(JSON.parse(exported.stdout)).toMatchObject({ model: 'colours', file });
    expect((await readdir(folder)).filter((name) => name.endsWith('.partial'))).toEqual([]);

    const evaluated = await run('evaluate', 'colours', zip, '--json');
    expect(JSON.parse(evaluated.stdout)).toMatchObject({ model: 'colours', images: 24, unknownClasses: [] });

    const listed = await run('list');
    expect(listed.stdout).toMatch(/^colours +1 +production=1$/m);
  });

  it.each([
    [['--name', 'Bad.Name'], /^name: lower-case letters/],
    [['--name', 'x', '--set', 'epochs=many'], /^epochs: /],
    [['--name', 'x', '--set', 'epochs'], /^--set: "epochs" is not <option>=<value>/],
  ])('is refused as wrong usage: %j', async (args, reason) => {
    const { code, stderr } = await run('finetune', zip, ...args);
    expect(code).toBe(2);
    expect(stderr).toMatch(reason);
  });

  it('is interrupted without a trace', async () => {
    const stop = new AbortController();
    const args = ['finetune', zip, '--name', 'interrupted', '--json'];
    const running = menagerie(args, { DATA_DIR: join(folder, 'data') }, stop.signal);
    stop.abort(new Error('stopped by SIGINT'));
    const { code, stdout, stderr } = await running;
    expect({ code, stderr }).toEqual({ code: undefined, stderr: 'interrupted\n' });
    expect(JSON.parse(stdout)).toEqual({ error: { code: 'interrupted', message: 'interrupted' } });
    expect(await readdir(join(folder, 'data', 'models'))).not.toContain('interrupted');
  });

  it('is removed with --yes, and not without a terminal to ask on', async () => {
    const asked = await run('rm', 'colours');
    expect(asked.code).toBe(2);
    expect(asked.stderr).toMatch(/^there is no terminal to ask on: add --yes\n/);
    expect(await run('rm', 'colours', '--yes')).toEqual({ code: 0, stdout: 'colours: removed\n', stderr: '' });
    const again = await run('rm', 'colours', '--yes', '--json');
    expect(again.code).toBe(1);
    expect(JSON.parse(again.stdout)).toMatchObject({ error: { code: 'model_not_found' } });
  });
});

describe('menagerie classify', () => {
  it('answers what it can read, and exits with 3 for the rest', async () => {
    const { code, stdout } = await run('classify', blue, 'missing.jpg', '--json', '--top-k', '2');
    expect(code).toBe(3);
    const { results } = JSON.parse(stdout);
    expect(results[0]).toMatchObject({ file: blue, model: 'resnet18_slim.tiny200', version: 1 });
    expect(results[0].predictions).toHaveLength(2);
    expect(results[1]).toMatchObject({ file: 'missing.jpg', error: { code: 'no_image' } });
  });

  it('exits with 1 when nothing could be read, or nothing was found', async () => {
    expect((await run('classify', 'missing.jpg')).code).toBe(1);
    await mkdir(join(folder, 'empty'));
    const { code, stderr } = await run('classify', join(folder, 'empty'));
    expect(code).toBe(1);
    expect(stderr).toMatch(/empty has no image: JPEG, PNG/);
  });
});

test('menagerie explain draws a picture, or prints a grid', async () => {
  const out = join(folder, 'heat.png');
  const drawn = await run('explain', blue, '--out', out, '--class', '3');
  expect(drawn.stdout).toMatch(/^\S+heat\.png: what speaks for .* \([\d.]+ %\) in \S+blue\.png\n$/);
  expect((await readFile(out)).subarray(1, 4).toString()).toBe('PNG');
  const { heatmap } = JSON.parse((await run('explain', blue, '--json')).stdout);
  expect(heatmap.values).toHaveLength(heatmap.height);
  expect((await run('explain', blue)).stderr).toMatch(/^--out is missing/);
  const nowhere = join(folder, 'nowhere', 'heat.png');
  const { code, stderr } = await run('explain', blue, '--out', nowhere);
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: `${nowhere} cannot be written: ENOENT: no such file or directory\n`,
  });
});
