import axe from 'axe-core';
import { describe, expect, test } from 'vitest';
import { colouredFiles, withPage } from './browser.ts';

const opened = withPage('/');

/** What axe finds that keeps somebody out. */
async function serious(): Promise<string[]> {
  const { page } = opened;
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run());
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(' ')}`);
}

describe.each(['light', 'dark'] as const)('in %s colours', (colorScheme) => {
  test.each([
    ['/#/classify', 'What is in the picture?'],
    ['/#/teach', 'Teach it your own classes'],
    ['/#/zoo', 'The zoo'],
    ['/#/zoo/resnet18_slim.tiny200', 'ResNet-18, slim'],
    ['/#/edge', 'Run it in this browser'],
    ['/#/nowhere', 'There is nothing here'],
  ])('%s keeps nobody out', async (hash, heading) => {
    const { page, url } = opened;
    await page.emulateMedia({ colorScheme });
    await page.goto(url + hash);
    await page.getByRole('heading', { name: heading }).waitFor();
    await page.waitForLoadState('networkidle');
    expect(await serious()).toEqual([]);
  });

  test('answers and their reasons keep nobody out', async () => {
    const { page } = opened;
    await page.emulateMedia({ colorScheme });
    await page.getByRole('checkbox', { name: 'vgg11_bn_slim.tiny200' }).check();
    await page.setInputFiles('main input[type=file]', await colouredFiles('red', 'one.png', 'two.png'));
    await page.locator('.card .agreement .tag').nth(1).waitFor();
    expect(await serious()).toEqual([]);
    await page.getByRole('button', { name: 'Why?' }).first().click();
    await page
      .getByRole('dialog')
      .getByText(/speaks/)
      .waitFor();
    expect(await serious()).toEqual([]);
  });
});

describe('by keyboard alone', () => {
  const press = (key: string) => opened.page.keyboard.press(key);
  const focused = () => opened.page.evaluate(() => document.activeElement?.textContent?.trim() ?? '');

  /** Presses Tab until what is wanted has the focus. */
  async function tabTo(text: string): Promise<void> {
    for (let presses = 0; presses < 60; presses += 1) {
      await press('Tab');
      if ((await focused()) === text) return;
    }
    throw new Error(`Tab never reaches "${text}"`);
  }

  test('one goes from screen to screen, and past the navigation', async () => {
    const { page } = opened;
    await page.getByRole('checkbox').first().waitFor();
    await press('Tab');
    expect(await focused()).toBe('Skip to the content');
    await tabTo('Teach');
    await press('Enter');
    await page.getByRole('heading', { name: 'Teach it your own classes' }).waitFor();
    expect(await focused()).toBe('Teach it your own classes');
  });

  test('one classifies a photo and asks why', async () => {
    const { page } = opened;
    await page.getByRole('checkbox').first().waitFor();
    // Listened for well ahead: the browser has to be told not to open a window of its own.
    const chooser = page.waitForEvent('filechooser');
    await tabTo('Choose photos');
    await press('Enter');
    await (await chooser).setFiles(await colouredFiles('red', 'red.png'));
    await page.locator('.card .bars').waitFor();
    await tabTo('Why?');
    await press('Enter');
    await page
      .getByRole('dialog')
      .getByText(/speaks/)
      .waitFor();
    await press('Escape');
    expect(await focused()).toBe('Why?');
  });
});

test('the page takes little to come, and fits a phone', async () => {
  const { page } = opened;
  await page.setViewportSize({ width: 390, height: 844 });
  for (const hash of ['/#/classify', '/#/teach', '/#/zoo', '/#/edge']) {
    await page.goto(opened.url + hash);
    await page.waitForLoadState('networkidle');
    expect(await page.evaluate(() => document.documentElement.scrollWidth), hash).toBeLessThanOrEqual(390);
  }
});
