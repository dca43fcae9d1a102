import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { colouredFiles, withPage } from './browser.ts';

const opened = withPage('/#/classify');

const VGG = 'VGG-11 with batch norm, slim';

async function give(...names: string[]): Promise<void> {
  await opened.page.setInputFiles('main input[type=file]', await colouredFiles('red', ...names));
}

/** Lets the server answer each model with these classes and scores, for every image. */
async function answering(answers: Readonly<Record<string, object>>): Promise<void> {
  await opened.page.route('**/classify?*', async (route) => {
    const model = new URL(route.request().url()).searchParams.get('model') ?? '';
    const names =
      route
        .request()
        .postData()
        ?.match(/filename="[^"]+"/g) ?? [];
    const timings = { decode_ms: 1, queue_ms: 0, inference_ms: 2, batch_size: 1 };
    const results = names.map((name) => ({ filename: name.slice(10, -1), timings, ...answers[model] }));
    await route.fulfill({ json: { model, version: 1, variant: 'float32', runtime: 'onnx', results, timings } });
  });
}

const RESNET = 'resnet18_slim.tiny200';
const predicted = (label: string, score: number) => ({
  predictions: [
    { label, score, index: 0, synset: null },
    { label: 'slug', score: (1 - score) / 2, index: 1, synset: null },
  ],
});

describe('classifying', () => {
  test('shows the predictions for an image, and the request to repeat it', async () => {
    const { page } = opened;
    await give('red.png');
    await page.locator('.card .first').waitFor();
    await page.getByText('Last request').click();
    const code = page.locator('.api pre:visible');
    expect(await code.textContent()).toContain('curl -F image=@red.png');
    await page.getByRole('tab', { name: 'TypeScript' }).click();
    expect(await code.textContent()).toContain("await openAsBlob('red.png')");
  });

  test.each([
    [0.93, 'sure', 0],
    [0.62, 'leaning', 1],
    [0.31, 'guessing', 1],
  ])('says first what it is and how sure that is: %d is %s', async (score, word, others) => {
    const { page } = opened;
    await answering({ [RESNET]: predicted('lesser panda', score) });
    await give('red.png');
    const card = page.locator('.card');
    await card.getByText(word, { exact: true }).waitFor();
    expect(await card.locator('.first').textContent()).toBe('lesser panda');
    // Where the model is sure, no other class takes room.
    expect(await card.locator('.bars li').count()).toBe(others);
    const sizes = await Promise.all(
      ['.first', '.name'].map((part) =>
        card.locator(part).evaluate((element) => Number.parseFloat(getComputedStyle(element).fontSize)),
      ),
    );
    expect(sizes).toEqual([22, 14]);
  });

  test('calls an image unknown that shows none of the classes', async () => {
    const { page } = opened;
    await answering({ [RESNET]: { ...predicted('lesser panda', 0.93), unknown: true, novelty: 1.4 } });
    await give('red.png');
    await page.getByText('None of its classes. The nearest is lesser panda.').waitFor();
    expect(await page.locator('.card .first').textContent()).toBe('Unknown');
  });

  test('with two models shows how often they agree, and does not praise two that guess the same', async () => {
    const { page } = opened;
    await page.getByRole('checkbox', { name: VGG }).check();
    await answering({
      [RESNET]: predicted('lesser panda', 0.3),
      'vgg11_bn_slim.tiny200': predicted('lesser panda', 0.2),
    });
    await give('one.png', 'two.png');
    await page
      .getByRole('row', { name: new RegExp(VGG) })
      .getByText('2 of 2 (100%)')
      .waitFor();
    expect(await page.locator('.card .agreement .tag').allTextContents()).toEqual(['The same guess', 'The same guess']);
    expect(await page.locator('.card .agreement .accent').count()).toBe(0);
  });

  test('shows what the first class is, and lets one go up and down from there', async () => {
    const { page } = opened;
    await give('red.png');
    const path = page.locator('.card .path');
    await path.waitFor();
    const above = path.getByRole('button').first();
    const name = await above.textContent();
    await above.click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('heading', { name: name ?? '' }).waitFor();
    await dialog.getByText(/class(es)? of the model/).waitFor();
    const parent = dialog.locator('.path').first().getByRole('button').first();
    const parentName = await parent.textContent();
    await parent.click();
    await dialog.getByRole('heading', { name: parentName ?? '', exact: true }).waitFor();
    await dialog.getByRole('button', { name: name ?? '', exact: true }).waitFor();
  });

  test('shows names as text, whatever they contain', async () => {
    await give('<img src=x onerror=alert(1)>.png');
    await opened.page.getByText('<img src=x onerror=alert(1)>.png', { exact: true }).waitFor();
  });

  test('says what is wrong with a file, beside the results of the others', async () => {
    const { page } = opened;
    const text = { name: 'notes.jpg', mimeType: 'image/jpeg', buffer: Buffer.from('not a picture') };
    await page.setInputFiles('main input[type=file]', [text, ...(await colouredFiles('red', 'red.png'))]);
    await page.getByText(/The file is text; send JPEG, PNG/).waitFor();
    await page.locator('.card .first').waitFor();
  });

  test('shows an error of the server, and tries again', async () => {
    const { page } = opened;
    await page.route('**/classify?*', (route) =>
      route.fulfill({
        status: 500,
        contentType: 'application/problem+json',
        json: { title: 'The server failed', detail: 'Its log has the reason.', status: 500, code: 'internal' },
      }),
    );
    await give('red.png');
    const notice = page.getByRole('alert').filter({ hasText: 'The server failed' });
    await notice.getByText('Its log has the reason.').waitFor();
    await page.unroute('**/classify?*');
    await notice.getByRole('button', { name: 'Try again' }).click();
    await page.locator('.card .first').waitFor();
    expect(await notice.count()).toBe(0);
  });

  test('offers to load a model that was unloaded', async () => {
    const { page, url } = opened;
    await fetch(`${url}/v2/repository/models/${RESNET}/unload`, { method: 'POST' });
    await give('red.png');
    await page.getByRole('button', { name: 'Load it' }).click();
    await page.locator('.card .first').waitFor();
  });

  test('waits as long as a busy server asks it to', async () => {
    const { page } = opened;
    let asked = 0;
    await page.route('**/classify?*', (route) => {
      asked += 1;
      if (asked > 1) return route.continue();
      return route.fulfill({
        status: 429,
        headers: { 'retry-after': '0' },
        contentType: 'application/problem+json',
        json: { title: 'The server is busy', detail: 'Try again shortly.', status: 429, code: 'queue_full' },
      });
    });
    await give('red.png');
    await page.locator('.card .first').waitFor();
    expect(asked).toBe(2);
  });
});

describe('under the models', () => {
  const LARGER = 'resnet50.tv_in1k';

  test('is what they know and how often they are right', async () => {
    await opened.page.getByText('200 things, right on 46 of 100 photos (Tiny ImageNet 200).').waitFor();
  });

  test('one gets a better model with one click, which then answers for the same images', async () => {
    const { page } = opened;
    const pull = { model: LARGER, state: 'running', phase: 'download', done_bytes: 1, total_bytes: 2, reason: null };
    await give('red.png');
    await page.locator('.card .first').waitFor();
    const state = `**/models/${LARGER}/pull`;
    await page.route(state, (route) => route.fulfill({ status: 202, json: pull }));
    await page.route(`${state}/events`, (route) => {
      const body = `id: 1\nevent: pull\ndata: ${JSON.stringify({ ...pull, state: 'done' })}\n\n`;
      return route.fulfill({ contentType: 'text/event-stream', body });
    });
    await page.route('**/models', async (route) => {
      const response = await route.fetch();
      const { models, not_pulled, unavailable } = await response.json();
      const facts = not_pulled.find(({ id }: { id: string }) => id === LARGER);
      const pulled = { ...models[0], ...facts, default: false };
      await route.fulfill({ json: { models: [...models, pulled], not_pulled, unavailable } });
    });
    await answering({ [LARGER]: predicted('golden retriever', 0.97) });
    await page.getByText(/A larger one: ResNet-50/).waitFor();
    await page.getByText('1,000 things, right on 76 of 100 photos').waitFor();
    await page.getByRole('button', { name: `Get it: ${LARGER}` }).click();
    await page.locator('.card .first', { hasText: 'golden retriever' }).waitFor();
    expect(await page.getByRole('checkbox', { name: /ResNet-50/ }).isChecked()).toBe(true);
    expect(await page.locator('.card').count()).toBe(1);
  });
});

describe('many results', () => {
  test('can be filtered, sorted and downloaded', async () => {
    const { page } = opened;
    const text = { name: 'notes.jpg', mimeType: 'image/jpeg', buffer: Buffer.from('not a picture') };
    const reds = await colouredFiles('red', 'a.png', '=b.png');
    await page.setInputFiles('main input[type=file]', [...reds, text]);
    await page.getByText('2 of 3 images classified, 1 failed').waitFor();
    const names = () => page.locator('.card .name').allTextContents();
    await page.getByRole('combobox', { name: 'Order' }).selectOption('By file name');
    expect(await names()).toEqual(['=b.png', 'a.png', 'notes.jpg']);
    await page.getByRole('button', { name: /^Failed/ }).click();
    expect(await names()).toEqual(['notes.jpg']);
    await page.getByRole('button', { name: /^All/ }).click();
    expect(await names()).toHaveLength(3);

    const textOf = async (format: string): Promise<string> => {
      const saved = page.waitForEvent('download');
      await page.getByRole('button', { name: `Download the results as ${format}` }).click();
      return readFile(await (await saved).path(), 'utf8');
    };
    const [head, ...rows] = (await textOf('CSV')).trim().split('\r\n');
    expect(head).toMatch(/^file,model,version,answer,sureness,score/);
    expect(rows.map((row) => row.split(',').slice(0, 3))).toEqual([
      ['a.png', RESNET, '1'],
      // A spreadsheet would compute what begins with "=".
      ["'=b.png", RESNET, '1'],
      ['notes.jpg', RESNET, ''],
    ]);
    expect(JSON.parse(await textOf('JSON'))[0]).toMatchObject({ file: 'a.png', model: RESNET, version: 1 });
  });

  test('come back with one click after they were removed, with their answers', async () => {
    const { page } = opened;
    await give('a.png', 'b.png', 'c.png');
    await page.locator('.card .first').nth(2).waitFor();
    await page.getByRole('button', { name: 'Remove b.png' }).click();
    await page.getByRole('button', { name: 'Remove all' }).click();
    await page.getByText('Removed 2 images.').waitFor();
    expect(await page.locator('.card').count()).toBe(0);
    let asked = 0;
    page.on('request', (request) => {
      if (request.url().includes('/classify?')) asked += 1;
    });
    for (const _ of [1, 2]) await page.getByRole('button', { name: 'Undo' }).last().click();
    await page.locator('.card .first').nth(2).waitFor();
    expect(await page.locator('.card .name').allTextContents()).toEqual(['a.png', 'b.png', 'c.png']);
    expect(asked).toBe(0);
  });

  test('stand in two columns on a phone', async () => {
    const { page } = opened;
    await page.setViewportSize({ width: 390, height: 844 });
    await answering({ [RESNET]: predicted('lesser panda', 0.31) });
    // The images may be chosen before the models are listed.
    let listModels = (): void => undefined;
    const asked = new Promise<void>((resolve) => {
      listModels = resolve;
    });
    await page.route('**/models', (route) => asked.then(() => route.continue()));
    await page.reload();
    await give('one.png', 'two.png', 'three.png', 'four.png');
    listModels();
    await page.locator('.card .first').nth(3).waitFor();
    const boxes = await Promise.all([0, 1, 2].map((index) => page.locator('.card').nth(index).boundingBox()));
    // The answers are in sight, though they come after the models and the buttons.
    expect((boxes[0]?.y ?? 0) + (boxes[0]?.height ?? 0)).toBeLessThan(844);
    expect(boxes[1]?.y).toBe(boxes[0]?.y);
    expect(boxes[2]?.x).toBe(boxes[0]?.x);
    // Fifty photos are fewer than ten screens.
    expect((25 * ((boxes[0]?.height ?? 0) + 8)) / 844).toBeLessThan(10);
  });
});

describe('an explanation', () => {
  test('shows a heatmap of the top class and of any other', async () => {
    const { page } = opened;
    await give('red.png');
    await page.getByRole('button', { name: 'Why? red.png' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText(/Red areas support/).waitFor();
    const hottest = () =>
      dialog.locator('canvas').evaluate((canvas: HTMLCanvasElement) => {
        const pixels = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data ?? [];
        return Math.max(...Array.from(pixels).filter((_, i) => i % 4 === 3));
      });
    expect(await hottest()).toBeGreaterThan(200);

    const canvas = dialog.locator('canvas');
    await dialog.getByRole('slider').fill('20');
    expect(await canvas.evaluate((element) => getComputedStyle(element).opacity)).toBe('0.2');

    const second = dialog.getByRole('radio').nth(1);
    const label = await dialog.locator('.radios label').nth(1).locator('.label').textContent();
    await second.check();
    await dialog
      .locator('.told strong')
      .filter({ hasText: label ?? '' })
      .waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
  });
});
