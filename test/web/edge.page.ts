import { describe, expect, test } from 'vitest';
import { colouredFiles, withPage } from './browser.ts';

const opened = withPage('/#/edge');

describe('a model in the browser', () => {
  test('answers as the server does, for a photo and live', async () => {
    const { page } = opened;
    await page.getByRole('button', { name: 'Load it' }).click();
    await page.getByText(/resnet18_slim.tiny200 runs here/).waitFor();
    await page.locator('main input[type=file]').setInputFiles(await colouredFiles('red', 'red.png'));
    const told = page.getByText(/Same first class as the server on/);
    await told.waitFor();
    const [, same, all, difference] =
      /on (\d+) of (\d+) pictures?; scores differ by ([\d.]+) %/.exec((await told.textContent()) ?? '') ?? [];
    expect([same, all]).toEqual(['1', '1']);
    expect(Number(difference)).toBeLessThan(1);

    await page.getByRole('button', { name: 'Camera' }).click();
    await page.getByText(/frames a second/).waitFor();
    await page.getByText(/on \d+ of [2-9] pictures/).waitFor();
    await page.getByRole('button', { name: 'Stop the camera' }).click();
  });

  test('of rounded weights comes in a quarter of the bytes', async () => {
    const { page } = opened;
    await page.getByLabel('Weights').selectOption('uint8');
    await page.getByRole('button', { name: 'Load it' }).click();
    const told = page.getByText(/runs here: /);
    await told.waitFor();
    const [, megabytes] = /here: ([\d.]+) MB/.exec((await told.textContent()) ?? '') ?? [];
    expect(Number(megabytes)).toBeLessThan(4);
  });

  test('asks for a model first', async () => {
    const { page } = opened;
    await page.locator('main input[type=file]').setInputFiles(await colouredFiles('red', 'red.png'));
    await page
      .getByRole('alert')
      .getByText(/Load a model first/)
      .waitFor();
  });
});
