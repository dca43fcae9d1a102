import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { colourZip } from '../../scripts/labelled-zip.ts';
import { barriers, colouredFiles, withPage } from './browser.ts';

const opened = withPage('/#/teach');

/** The zip of colours, as a file to choose. */
async function zipFile() {
  return { name: 'colours.zip', mimeType: 'application/zip', buffer: await colourZip() };
}

describe('teaching', () => {
  test('makes of a zip a model that is evaluated, classifies, and runs in the browser', async () => {
    const { page, url } = opened;
    await page.locator('.drop input[type=file]').setInputFiles(await zipFile());
    const picture = page.getByRole('table', { name: /36 images/ });
    await picture.getByRole('row', { name: /red.*12/ }).waitFor();
    expect(await barriers(page)).toEqual([]);

    await page.getByLabel('Model name').fill('paged');
    await page.getByRole('button', { name: 'Train' }).click();
    await page.getByRole('heading', { name: 'paged, version 1' }).waitFor();
    await page.getByText(/accuracy on \d+ held-out images/).waitFor();

    await page.getByRole('tab', { name: 'Confusions' }).click();
    await page.getByRole('button', { name: /of red classified as red/ }).click();
    await page.getByRole('heading', { name: /red, correct/ }).waitFor();
    expect(await page.locator('.behind img').count()).toBeGreaterThan(0);
    await page.getByRole('tab', { name: 'Training' }).click();
    // Of so few images the head is computed in one step.
    await page.getByText('The best head was computed in one step').waitFor();
    expect(await barriers(page)).toEqual([]);

    await page.getByRole('tab', { name: 'Summary' }).click();
    const tried = page.locator('section').filter({ hasText: 'Try it' });
    await tried.locator('input[type=file]').setInputFiles(await colouredFiles('green', 'new.png'));
    await tried.locator('.bars li').first().getByText('green').waitFor();
    await page.getByText('“paged” serves version 1.').waitFor();

    const card = await (await fetch(`${url}/models/paged`)).json();
    expect(card).toMatchObject({ version: 1, num_classes: 3 });

    await page.getByRole('link', { name: 'Run in browser' }).click();
    await page.getByRole('button', { name: 'Load model' }).click();
    await page.getByText(/paged@1 is loaded/).waitFor();
    await page.locator('main input[type=file]').setInputFiles(await colouredFiles('blue', 'new.png'));
    await page.getByText('Same top class as the server for 1 of 1 image').waitFor();
    await page.locator('.edge-answers li').first().getByText('blue').waitFor();
  });

  test('again makes a new version, and can be rolled back', async () => {
    const { page, url } = opened;
    for (const seed of ['1', '2']) {
      const form = new FormData();
      form.append('dataset', new Blob([new Uint8Array(await colourZip())]), 'colours.zip');
      const query = new URLSearchParams({ name: 'twice', seed, copies: '0', epochs: '2' });
      const response = await fetch(`${url}/finetune?${query}`, { method: 'POST', body: form });
      const { id } = (await response.json()) as { id: string };
      // The stream ends with the job.
      await (await fetch(`${url}/jobs/${id}/events`)).text();
    }
    await page.goto(`${url}/#/results/twice/2`);
    await page.getByText('“twice” serves version 2.').waitFor();
    await page.getByRole('button', { name: 'Roll back to version 1' }).click();
    await page.getByText('“twice” serves version 1.').waitFor();
    await page.getByRole('link', { name: 'Model card' }).click();
    const rows = page.getByRole('row');
    await rows.filter({ hasText: 'Version 1' }).getByText('production').waitFor();
    await page.getByLabel('Alias').fill('candidate');
    await page.getByRole('button', { name: 'Set alias' }).click();
    await rows.filter({ hasText: 'Version 2' }).getByText('candidate').waitFor();
    const card = await (await fetch(`${url}/models/twice`)).json();
    expect(card).toMatchObject({ version: 1, aliases: { production: 1, candidate: 2 } });
  });

  test('packs the images of classes, and says what is missing', async () => {
    const { page } = opened;
    const check = page.getByRole('button', { name: 'Check the data set' });
    expect(await check.isDisabled()).toBe(true);
    for (const [index, colour] of (['red', 'blue'] as const).entries()) {
      const card = page.locator('.class-card').nth(index);
      await card.getByRole('textbox').fill(`${colour} things`);
      const names = Array.from({ length: 8 }, (_, i) => `${i}.png`);
      await card.locator('input[type=file]').setInputFiles(await colouredFiles(colour, ...names));
      await card.getByText('8 images').waitFor();
    }
    await check.click();
    await page.getByRole('row', { name: /blue things.*8/ }).waitFor();
    await page.getByText(/images of 2 classes train the head/).waitFor();
  });

  test('asks what a class is when concepts are called like it, and trains with the answer', async () => {
    const { page } = opened;
    for (const [index, name] of ['cranes', 'things'].entries()) {
      const card = page.locator('.class-card').nth(index);
      await card.getByRole('textbox').fill(name);
      const files = Array.from({ length: 6 }, (_, i) => `${i}.png`);
      await card.locator('input[type=file]').setInputFiles(await colouredFiles(index === 0 ? 'red' : 'blue', ...files));
      await card.getByText('6 images').waitFor();
    }
    await page.getByRole('button', { name: 'Check the data set' }).click();
    await page.getByText('What the classes are').click();
    const choice = page.getByRole('combobox', { name: 'cranes' });
    expect(await choice.inputValue()).toBe('');
    await choice.selectOption('n02012849');
    await page.getByLabel('Model name').fill('cranes');
    const sent = page.waitForRequest((request) => request.url().includes('/finetune?name='));
    await page.getByRole('button', { name: 'Train' }).click();
    expect(new URL((await sent).url()).searchParams.get('synsets')).toBe('{"cranes":"n02012849"}');
    await page.getByRole('heading', { name: 'cranes, version 1' }).waitFor();
  });

  test('makes a class of each folder that is dropped', async () => {
    const { page } = opened;
    const folder = mkdtempSync(join(tmpdir(), 'menagerie-drop-'));
    try {
      const folders = await Promise.all(
        (['red', 'green'] as const).map(async (colour) => {
          const path = join(folder, colour);
          mkdirSync(path);
          for (const { name, buffer } of await colouredFiles(colour, '1.png', '2.png'))
            writeFileSync(join(path, name), buffer);
          return path;
        }),
      );
      const devtools = await page.context().newCDPSession(page);
      const data = { items: [], files: folders, dragOperationsMask: 1 };
      for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
        await devtools.send('Input.dispatchDragEvent', { type, x: 600, y: 150, data });
      }
      await page.locator('.class-card').nth(1).getByText('2 images').waitFor();
      const names = await page
        .locator('.class-card input[type=text]')
        .evaluateAll((inputs) => inputs.map((input) => (input as HTMLInputElement).value));
      expect(names.sort()).toEqual(['green', 'red']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('says why the server refuses a zip', async () => {
    const { page } = opened;
    const zip = { name: 'broken.zip', mimeType: 'application/zip', buffer: Buffer.from('PK is not enough') };
    await page.locator('.drop input[type=file]').setInputFiles(zip);
    await page.getByRole('alert').getByText(/zip/).first().waitFor();
  });
});

describe('a job', () => {
  /** @param seed different for each job, since features of the same augmented copies are cached */
  async function slowJob(name: string, seed: string): Promise<string> {
    const form = new FormData();
    form.append('dataset', new Blob([new Uint8Array(await colourZip())]), 'colours.zip');
    const query = new URLSearchParams({ name, seed, copies: '40' });
    const response = await fetch(`${opened.url}/finetune?${query}`, { method: 'POST', body: form });
    return ((await response.json()) as { id: string }).id;
  }

  test('is shown again after a reload, and can be cancelled', async () => {
    const { page } = opened;
    const id = await slowJob('reloaded', '3');
    await page.goto(`${opened.url}/#/jobs/${id}`);
    await page.locator('.phases .now').waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'Training reloaded' }).waitFor();
    await page.locator('.phases .now').waitFor();
    expect(await barriers(page)).toEqual([]);
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByText('The job was cancelled. No model was created.').waitFor();
    await page.getByRole('navigation').getByRole('link', { name: 'Teach' }).click();
    await page.getByRole('link', { name: /reloaded cancelled/ }).waitFor();
  });

  test('tells no time left from the first of many images, and has a bar that moves while it waits', async () => {
    const { page, url } = opened;
    const job = {
      id: 'early',
      options: { name: 'early' },
      state: 'queued',
      progress: null,
      result: null,
      failure: null,
    };
    await page.route('**/jobs/early', (route) => route.fulfill({ json: job }));
    let answer = (_: string): void => {};
    const events = new Promise<string>((resolve) => {
      answer = resolve;
    });
    await page.route('**/jobs/early/events', async (route) =>
      route.fulfill({ contentType: 'text/event-stream', body: await events }),
    );
    await page.goto(`${url}/#/jobs/early`);
    await page.getByRole('heading', { name: 'early' }).waitFor();
    const animation = () =>
      page.locator('progress:not([value])').evaluate((bar) => getComputedStyle(bar).animationName);
    expect(await animation()).toBe('none');
    await page.emulateMedia({ reducedMotion: 'no-preference' });
    expect(await animation()).not.toBe('none');
    const progress = { phase: 'inspecting', fraction: 0.01, done: 2, total: 400, seconds_left: 4_680 };
    answer(`event: progress\ndata: ${JSON.stringify({ progress })}\n\n`);
    await page.getByText('Extracting features: 2 of 400', { exact: true }).waitFor();
    expect(await page.locator('progress').getAttribute('value')).toBe('0.01');
  });

  test('that does not exist is reported, with a link to the others', async () => {
    const { page } = opened;
    await page.goto(`${opened.url}/#/jobs/none`);
    await page.getByRole('heading', { name: 'Job not found' }).waitFor();
    await page.getByRole('link', { name: 'All jobs' }).click();
    await page.getByRole('heading', { name: 'Teach a model your own classes' }).waitFor();
  });
});
