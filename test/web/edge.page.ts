import { describe, expect, test } from 'vitest';
import { colouredFiles, openWindow, startBrowser, withPage } from './browser.ts';

const opened = withPage('/#/edge');

describe('a model in the browser', () => {
  test('predicts what the server predicts, for an image and live', async () => {
    const { page } = opened;
    await page.getByRole('button', { name: 'Load model' }).click();
    await page.getByText(/resnet18_slim.tiny200 is loaded/).waitFor();
    await page.getByText('Start the camera, or drop an image here.').waitFor();
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
    await page.getByText('Not on the graphics card (WebGPU): This browser has no WebGPU').waitFor();
    await page.getByText('Not on the graphics card (WebGL): This browser has no graphics card').waitFor();
    expect(await page.getByLabel('Model').inputValue()).toBe('vgg11_bn_slim.tiny200');
  });

  test('runs on what one chooses', async () => {
    const { page } = opened;
    await page.getByLabel('Run on').selectOption('Graphics card (WebGPU)');
    await page.getByRole('button', { name: 'Load model' }).click();
    await page.getByText('It does not run on the graphics card (WebGPU)').waitFor();
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

describe('WebGPU', () => {
  // A device that computes with the processor, which browsers offer only when they are told to.
  const DEVICE = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--enable-features=Vulkan'];

  // It computes with the processor, and waits for the machine as long as that takes.
  test('predicts what the server predicts', { timeout: 400_000 }, async () => {
    const browser = await startBrowser(...DEVICE);
    try {
      const page = await openWindow(browser);
      await page.goto(`${opened.url}/#/edge`);
      await page.getByLabel('Run on').selectOption('Graphics card (WebGPU)');
      await page.getByRole('button', { name: 'Load model' }).click();
      await page.getByText('It runs on the graphics card (WebGPU).').waitFor();
      await page.locator('main input[type=file]').setInputFiles(await colouredFiles('red', 'red.png'));
      const told = page.getByText('Same top class as the server for 1 of 1 image.');
      await told.waitFor();
      const [, difference] = /at most ([\d.]+)%/.exec((await told.textContent()) ?? '') ?? [];
      expect(Number(difference)).toBeLessThan(1);
      // Where one does not choose, it is not taken: nothing is gained on the processor.
      await page.getByLabel('Run on').selectOption('The fastest that works');
      await page.getByRole('button', { name: 'Load model' }).click();
      await page.getByText('Not on the graphics card (WebGPU): This browser has no graphics card').waitFor();
    } finally {
      await browser.close();
    }
  });
});
