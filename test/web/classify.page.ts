import { describe, expect, test } from 'vitest';
import { colouredFiles, withPage } from './browser.ts';

const opened = withPage('/#/classify');

async function give(...names: string[]): Promise<void> {
  await opened.page.setInputFiles('main input[type=file]', await colouredFiles('red', ...names));
}

describe('classifying', () => {
  test('shows the predictions for an image, and the request to repeat it', async () => {
    const { page } = opened;
    await give('red.png');
    await page.locator('.card .bars li').nth(2).waitFor();
    await page.getByText('Last request').click();
    const code = page.locator('.api pre:visible');
    expect(await code.textContent()).toContain('curl -F image=@red.png');
    await page.getByRole('tab', { name: 'TypeScript' }).click();
    expect(await code.textContent()).toContain("await openAsBlob('red.png')");
  });

  test('with two models shows how often they agree', async () => {
    const { page } = opened;
    await page.getByRole('checkbox', { name: 'vgg11_bn_slim.tiny200' }).check();
    await give('one.png', 'two.png');
    await page
      .getByRole('row', { name: /vgg11_bn_slim/ })
      .getByText(/of 2 \(/)
      .waitFor();
    expect(await page.locator('.card .agreement .tag').count()).toBe(2);
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
    await page.locator('.card .bars').waitFor();
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
    await page.locator('.card .bars').waitFor();
    expect(await notice.count()).toBe(0);
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
    await page.locator('.card .bars').waitFor();
    expect(asked).toBe(2);
  });
});

describe('an explanation', () => {
  test('shows a heatmap of the top class and of any other', async () => {
    const { page } = opened;
    await give('red.png');
    await page.getByRole('button', { name: 'Why?' }).click();
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
