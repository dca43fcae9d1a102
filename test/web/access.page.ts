import { describe, expect, test } from 'vitest';
import { barriersInBothColours, colouredFiles, withPage } from './browser.ts';

const opened = withPage('/');

test.each([
  ['/#/classify', 'What is in the image?'],
  ['/#/teach', 'Teach a model your own classes'],
  ['/#/zoo', 'Model zoo'],
  ['/#/zoo/resnet18_slim.tiny200', 'ResNet-18, slim'],
  ['/#/edge', 'Run a model in this browser'],
  ['/edge', 'Run a model in this browser'],
  ['/#/nowhere', 'Page not found'],
])('%s is accessible in light and dark colours', async (hash, heading) => {
  const { page, url } = opened;
  await page.goto(url + hash);
  await page.getByRole('heading', { name: heading }).waitFor();
  await page.waitForLoadState('networkidle');
  expect(await barriersInBothColours(page)).toEqual([]);
});

test('results and explanations are accessible in light and dark colours', async () => {
  const { page } = opened;
  await page.getByRole('checkbox', { name: 'VGG-11 with batch norm, slim' }).check();
  await page.setInputFiles('main input[type=file]', await colouredFiles('red', 'one.png', 'two.png'));
  await page.locator('.card .agreement .tag').nth(1).waitFor();
  expect(await barriersInBothColours(page)).toEqual([]);
  await page.getByRole('button', { name: 'Why? one.png' }).click();
  await page
    .getByRole('dialog')
    .getByText(/support/)
    .waitFor();
  expect(await barriersInBothColours(page)).toEqual([]);
});

describe('by keyboard alone', () => {
  const press = (key: string) => opened.page.keyboard.press(key);
  const focused = () => opened.page.evaluate(() => document.activeElement?.textContent?.trim() ?? '');

  /** Presses Tab until the element with this text has the focus. */
  async function tabTo(text: string): Promise<void> {
    for (let presses = 0; presses < 60; presses += 1) {
      await press('Tab');
      if ((await focused()) === text) return;
    }
    throw new Error(`Tab never reaches "${text}"`);
  }

  test('the screens can be reached, and the navigation skipped', async () => {
    const { page } = opened;
    await page.getByRole('checkbox').first().waitFor();
    await press('Tab');
    expect(await focused()).toBe('Skip to content');
    await tabTo('Teach');
    await press('Enter');
    await page.getByRole('heading', { name: 'Teach a model your own classes' }).waitFor();
    expect(await focused()).toBe('Teach a model your own classes');
  });

  test('an image can be classified and explained', async () => {
    const { page } = opened;
    await page.getByRole('checkbox').first().waitFor();
    // Playwright has to listen before the browser opens its own dialog.
    const chooser = page.waitForEvent('filechooser');
    await tabTo('Choose images');
    await press('Enter');
    await (await chooser).setFiles(await colouredFiles('red', 'red.png'));
    await page.locator('.card .first').waitFor();
    await tabTo('Why?');
    await press('Enter');
    await page
      .getByRole('dialog')
      .getByText(/support/)
      .waitFor();
    await press('Escape');
    expect(await focused()).toBe('Why?');
  });

  test('what goes away leaves the focus to what is beside it', async () => {
    const { page } = opened;
    const name = () => page.evaluate(() => document.activeElement?.getAttribute('aria-label'));
    await page.setInputFiles('main input[type=file]', await colouredFiles('red', 'one.png', 'two.png', 'three.png'));
    await page.locator('.card .first').nth(2).waitFor();
    await page.getByRole('button', { name: 'Remove two.png' }).focus();
    await press('Enter');
    expect(await name()).toBe('Remove three.png');
    await press('Enter');
    expect(await name()).toBe('Why? one.png');
    await page.getByRole('button', { name: 'Remove all' }).focus();
    await press('Enter');
    expect(await focused()).toBe('Camera');
    await page.getByRole('checkbox', { name: 'Inception' }).focus();
    await press('Space');
    expect(await page.evaluate(() => (document.activeElement as HTMLInputElement).value)).toMatch(/^inception/);
  });
});

test('no two buttons have the same name', async () => {
  const { page, url } = opened;
  await page.setInputFiles('main input[type=file]', await colouredFiles('red', 'one.png', 'two.png'));
  await page.locator('.card .first').nth(1).waitFor();
  const names = async (): Promise<string[]> => {
    const tree = await page.locator('main').ariaSnapshot();
    return [...tree.matchAll(/button "([^"]+)"/g)]
      .map(([, name]) => name ?? '')
      .filter((name) => /^(Why|Remove|Get|Load|More|Measure|Copy)/.test(name));
  };
  const onCards = await names();
  expect(onCards).toContain('Why? one.png');
  expect(new Set(onCards).size).toBe(onCards.length);
  await page.goto(`${url}/#/zoo`);
  await page.getByRole('button', { name: 'More about vgg19.tv_in1k' }).waitFor();
  const inZoo = await names();
  expect(inZoo.length).toBeGreaterThan(60);
  expect(new Set(inZoo).size).toBe(inZoo.length);
});

test('a finger meets nothing that is smaller than 44 pixels', async () => {
  const { page, url } = opened;
  const browser = page.context().browser();
  const phone = await browser?.newContext({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  const onPhone = await phone?.newPage();
  for (const hash of ['/#/classify', '/#/zoo', '/#/zoo/resnet18_slim.tiny200', '/edge']) {
    await onPhone?.goto(url + hash);
    await onPhone?.waitForLoadState('networkidle');
    if (hash === '/#/classify') {
      await onPhone?.setInputFiles('main input[type=file]', await colouredFiles('red', 'one.png'));
      await onPhone?.locator('.card .first').waitFor();
    }
    // Links in a line of text may be as high as the line (WCAG 2.5.8).
    const small = await onPhone?.evaluate(() =>
      [...document.querySelectorAll('button:not(.link), .button, select, input[type=search], nav a, summary, .choice')]
        .filter((element) => element.checkVisibility() && element.getBoundingClientRect().height < 43.5)
        .map((element) => `${element.className} ${element.textContent}: ${element.getBoundingClientRect().height}`),
    );
    expect(small, hash).toEqual([]);
  }
  await phone?.close();
});

/** 320 pixels are a window of 1280 at a zoom of 400 %, 640 at 200 %. */
const WIDTHS = [320, 390, 640, 768, 1280, 1600];

// The layouts of the style sheets: a phone, between, and wide.
describe.each([390, 768, 1280])('loaded at a width of %d pixels', (width) => {
  test('nothing moves while a screen loads, which then fits at any width', async () => {
    const { page, url } = opened;
    await page.addInitScript(() => {
      const seen = globalThis as unknown as { shifts: number };
      seen.shifts = 0;
      const observer = new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) seen.shifts += (entry as PerformanceEntry & { value: number }).value;
      });
      observer.observe({ type: 'layout-shift', buffered: true });
    });
    // More models than come along: how high they are is not known before.
    await page.route('**/models', async (route) => {
      const list = await (await route.fetch()).json();
      const taught = Array.from({ length: 9 }, (_, index) => ({
        ...list.models[0],
        id: `pets-${index}`,
        title: `pets-${index}`,
      }));
      await route.fulfill({
        json: { ...list, models: [...list.models, ...taught.map((model) => ({ ...model, default: false }))] },
      });
    });
    for (const hash of ['/#/classify', '/#/teach', '/#/zoo', '/#/zoo/resnet18_slim.tiny200', '/#/edge', '/edge']) {
      await page.goto('about:blank');
      await page.setViewportSize({ width, height: 900 });
      await page.goto(url + hash);
      await page.waitForLoadState('networkidle');
      // Browsers call a layout shift of 0.1 good.
      const shifts = await page.evaluate(() => (globalThis as unknown as { shifts: number }).shifts);
      expect(shifts, hash).toBeLessThan(0.05);
      for (const each of WIDTHS) {
        await page.setViewportSize({ width: each, height: 900 });
        const needed = await page.evaluate(() => document.documentElement.scrollWidth);
        expect(needed, `${hash} at ${each}`).toBeLessThanOrEqual(each);
      }
    }
  });
});

test('the page is small', async () => {
  const { page } = opened;
  await page.waitForLoadState('networkidle');
  const packed = await page.evaluate(async () => {
    const files = performance.getEntriesByType('resource').map(({ name }) => name);
    const own = [location.origin, ...files.filter((name) => name.includes('/assets/'))];
    const sizes = own.map(async (name) => {
      const { body } = await fetch(name, { headers: { accept: 'text/html' } });
      if (body === null) return 0;
      return (await new Response(body.pipeThrough(new CompressionStream('gzip'))).blob()).size;
    });
    return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  });
  expect(packed).toBeGreaterThan(10_000);
  expect(packed).toBeLessThan(40_000);
});
