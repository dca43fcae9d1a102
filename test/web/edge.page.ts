import { describe, expect, test } from 'vitest';
import { colouredFiles, withPage } from './browser.ts';

const opened = withPage('/#/edge');

describe('a model in the browser', () => {
  test('predicts what the server predicts, for an image and live', async () => {
    const { page } = opened;
    await page.getByRole('button', { name: 'Load model' }).click();
    await page.getByText(/resnet18_slim.tiny200 is loaded/).waitFor();
    await page.locator('main input[type=file]').setInputFiles(await colouredFiles('red', 'red.png'));
    const told = page.getByText(/Same top class as the server for/);
    await told.waitFor();
    const [, same, all, difference] =
      /for (\d+) of (\d+) images?\. Scores differ by at most ([\d.]+)%/.exec((await told.textContent()) ?? '') ?? [];
    expect([same, all]).toEqual(['1', '1']);
    expect(Number(difference)).toBeLessThan(1);

    await page.getByRole('button', { name: 'Start camera' }).click();
    await page.getByText(/frames per second/).waitFor();
    await page.getByText(/for \d+ of [2-9] images/).waitFor();
    await page.getByRole('button', { name: 'Stop camera' }).click();
  });

  test('is loaded when one comes from its card, on what is fastest here', async () => {
    const { page, url } = opened;
    await page.goto(`${url}/#/zoo/vgg11_bn_slim.tiny200`);
    await page.getByRole('link', { name: 'Run in browser' }).click();
    await page.getByText(/vgg11_bn_slim.tiny200 is loaded/).waitFor();
    // The browser of the tests draws with the processor.
    await page.getByText('It runs on the processor (WebAssembly).').waitFor();
    await page.getByText('Not on the graphics card (WebGL): This browser has no graphics card').waitFor();
    expect(await page.getByLabel('Model').inputValue()).toBe('vgg11_bn_slim.tiny200');
  });

  test('runs on what one chooses', async () => {
    const { page } = opened;
    await page.getByLabel('Run on').selectOption('Graphics card (WebGL)');
    await page.getByRole('button', { name: 'Load model' }).click();
    await page.getByText('It runs on the graphics card (WebGL).').waitFor();
  });

  test('with quantized weights is a quarter of the size', async () => {
    const { page } = opened;
    await page.getByLabel('Weights').selectOption('uint8');
    await page.getByRole('button', { name: 'Load model' }).click();
    const told = page.getByText(/is loaded: /);
    await told.waitFor();
    const [, megabytes] = /loaded: ([\d.]+) MB/.exec((await told.textContent()) ?? '') ?? [];
    expect(Number(megabytes)).toBeLessThan(4);
  });

  test('must be loaded first', async () => {
    const { page } = opened;
    await page.locator('main input[type=file]').setInputFiles(await colouredFiles('red', 'red.png'));
    await page
      .getByRole('status')
      .getByText(/Load a model first/)
      .waitFor();
  });
});
