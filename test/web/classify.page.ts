import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { colouredPicture } from '../e2e/labelled-zip.ts';
import { type ServerProcess, startServer, temporaryDataDir, untilReady } from '../e2e/server-process.ts';
import { openPage, startBrowser, type Watched } from './browser.ts';

let data: Awaited<ReturnType<typeof temporaryDataDir>>;
let server: ServerProcess;
let browser: Browser;
let opened: Awaited<ReturnType<typeof openPage>>;
let page: Page;
let faults: Watched['faults'];

beforeAll(async () => {
  data = await temporaryDataDir();
  [server, browser] = await Promise.all([startServer(data.path), startBrowser()]);
  await untilReady(server);
});

afterAll(async () => {
  await browser.close();
  server.child.kill('SIGTERM');
  await server.exit;
  await data.remove();
});

beforeEach(async () => {
  opened = await openPage(browser, server.url);
  ({ page, faults } = opened);
});

afterEach(async () => {
  await opened.context.close();
  expect(faults).toEqual([]);
});

async function give(...names: string[]): Promise<void> {
  const files = await Promise.all(
    names.map(async (name, index) => ({ name, mimeType: 'image/png', buffer: await colouredPicture('red', index) })),
  );
  await page.setInputFiles('main input[type=file]', files);
}

describe('classifying', () => {
  test('a photo gives its classes, and the request to repeat it', async () => {
    await give('red.png');
    const card = page.getByRole('listitem').filter({ hasText: 'red.png' });
    expect(await card.locator('.bars li').count()).toBe(0);
    await card.locator('.bars li').nth(2).waitFor();
    await page.getByText('The last request').click();
    const code = page.locator('.api pre:visible');
    expect(await code.textContent()).toContain('curl -F image=@red.png');
    await page.getByRole('tab', { name: 'TypeScript' }).click();
    expect(await code.textContent()).toContain("await openAsBlob('red.png')");
  });

  test('by two models shows how often they agree', async () => {
    await page.getByRole('checkbox', { name: 'vgg11_bn_slim.tiny200' }).check();
    await give('one.png', 'two.png');
    const row = page.getByRole('row', { name: /vgg11_bn_slim/ });
    await row.getByText(/of 2 \(/).waitFor();
    expect(await page.locator('.card .agreement').allTextContents()).toHaveLength(2);
  });

  test('shows names as text, whatever they hold', async () => {
    await give('<img src=x onerror=alert(1)>.png');
    await page.getByText('<img src=x onerror=alert(1)>.png', { exact: true }).waitFor();
  });
});
