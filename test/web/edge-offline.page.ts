import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { barriers, colouredFiles, withPage } from './browser.ts';

const MODEL = 'resnet18_slim.tiny200';
const opened = withPage(`/edge#/?model=${MODEL}`);

/** Waits until the page and its model are kept. */
async function visit(page: Page): Promise<void> {
  await page.getByText(`${MODEL} is loaded`).waitFor();
  await page.getByText('This page is kept').waitFor();
  await page.getByRole('button', { name: `Remove ${MODEL}` }).waitFor();
}

/** The addresses of everything in the Cache Storage, from the server's own on. */
function cached(page: Page): Promise<string[]> {
  return page.evaluate(async () => {
    const names = await caches.keys();
    const all = await Promise.all(names.map(async (name) => (await caches.open(name)).keys()));
    return all.flat().map((request) => new URL(request.url).pathname);
  });
}

describe('the offline page', () => {
  test('classifies images without a connection after one visit', async () => {
    const { page, url } = opened;
    await visit(page);
    await page.context().setOffline(true);
    await page.reload();
    await page.getByText('this is the model that this browser has kept').waitFor();
    expect(await page.getByLabel('Model').inputValue()).toBe(MODEL);
    await page.locator('main input[type=file]').setInputFiles(await colouredFiles('red', 'red.png'));
    await page.locator('.edge-answers .bars li').nth(4).waitFor();
    await page.getByText(/Comparison with the server failed/).waitFor();
    expect(await barriers(page)).toEqual([]);

    // No other page is served from what is kept.
    await expect(page.goto(`${url}/`)).rejects.toThrow('ERR_INTERNET_DISCONNECTED');
  });

  test('keeps its own files and models alone, until they are removed', async () => {
    const { page } = opened;
    await visit(page);
    await page.getByText(/The models kept here take \d+ MB of this device/).waitFor();
    await page.locator('main input[type=file]').setInputFiles(await colouredFiles('red', 'red.png'));
    await page.getByText(/Same top class as the server for/).waitFor();
    const strange = (await cached(page)).filter((path) => !/^\/(?:edge$|assets\/)/.test(path));
    expect(strange).toEqual([`/edge/models/${MODEL}`]);

    await page.getByRole('button', { name: `Remove ${MODEL}` }).click();
    await page.getByText('No model is kept yet').waitFor();
    expect((await cached(page)).filter((path) => path.includes('models'))).toEqual([]);
  });

  test('can be installed', async () => {
    const { page } = opened;
    await visit(page);
    const browser = await page.context().newCDPSession(page);
    const { installabilityErrors } = await browser.send('Page.getInstallabilityErrors');
    // The windows of the tests are private ones.
    expect(installabilityErrors.map(({ errorId }) => errorId).filter((id) => id !== 'in-incognito')).toEqual([]);
  });

  test('is one click away from the screen, with its model', async () => {
    const { page, url } = opened;
    await page.goto(`${url}/#/edge?model=${MODEL}`);
    await page.getByRole('link', { name: 'Open the offline page' }).click();
    await visit(page);
    expect(new URL(page.url()).pathname).toBe('/edge');
  });
});
