import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { colouredPicture } from '../../scripts/labelled-zip.ts';
import { barriers, withPage } from './browser.ts';
import { reportOf, serveReports } from './reports.ts';

const opened = withPage('/');

const PETS = { classes: ['cat', 'dog', 'bird'] } as const;
const TABS = ['Summary', 'Confusions', 'Pictures', 'Classes', 'Training'];

/** 200 classes, of which the images of each are taken for the next class now and then. */
function manyClasses() {
  const classes = Array.from({ length: 200 }, (_, index) => `kind of thing ${index}`);
  return reportOf({ classes, mistakes: classes.map((_, index) => [index, (index + 1) % 200, [`${index}.png`]]) });
}

async function openResult(tab: string, version = 1): Promise<Page> {
  const { page, url } = opened;
  await page.goto(`${url}/#/results/pets/${version}`);
  await page.getByRole('tab', { name: tab }).click();
  return page;
}

function isCut(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll('table, .shots, .pairs, .tabs, .corruptions')]
      .filter((each) => each.checkVisibility())
      .filter((each) => {
        const { left, right } = each.getBoundingClientRect();
        const room = (each.closest('.sheet') ?? document.documentElement).getBoundingClientRect();
        return left < room.left - 1 || right > room.right + 1;
      })
      .map((each) => `${each.className} at ${innerWidth}`),
  );
}

test('the open tab of a result is in the address, so that a reload and going back find it', async () => {
  const { page, url } = opened;
  await serveReports(page, reportOf({ ...PETS, mistakes: [[0, 1, ['c1.png']]] }));
  await openResult('Classes');
  const isOpen = () => page.getByRole('tab', { name: 'Classes', selected: true }).waitFor();
  expect(page.url()).toBe(`${url}/#/results/pets/1?tab=classes`);
  await page.reload();
  await isOpen();
  await page.goto(`${url}/#/zoo`);
  await page.getByRole('heading', { name: 'Zoo' }).waitFor();
  await page.goBack();
  await isOpen();
});

test('any version can be used, not only the one in service', async () => {
  const { page } = opened;
  const mistakes = [[0, 1, ['c1.png']]] as const;
  await serveReports(page, reportOf({ ...PETS, mistakes }), reportOf({ ...PETS, mistakes, version: 2 }));
  const code = page.getByRole('region', { name: 'Use it' }).locator('pre:visible');
  await openResult('Summary', 1);
  await code.getByText('model=pets%401').or(code.getByText('model=pets@1')).waitFor();
  await openResult('Summary', 2);
  await code.getByText(/model=pets(?![@%])/).waitFor();
});

test('a head that was computed in one step has words where others have curves', async () => {
  const { page } = opened;
  const trained = reportOf({ ...PETS, mistakes: [[0, 1, ['c1.png']]] });
  const computed = { ...trained, model: { ...trained.model, version: 2 } };
  await serveReports(page, trained, { ...computed, training: { ...trained.training, history: [] } });
  await openResult('Training', 1);
  await page.locator('.uplot').nth(1).waitFor();
  await openResult('Training', 2);
  await page.getByText('The best head was computed in one step').waitFor();
  expect(await page.locator('.uplot, .reserved-curves').count()).toBe(0);
});

describe.each([390, 1600])('at a width of %d pixels, a result', (width) => {
  test('shows the worst confusion with its images, and the images of any other', async () => {
    const { page } = opened;
    await page.setViewportSize({ width, height: 900 });
    const mistakes = [
      [1, 2, ['d1.png']],
      [0, 1, ['c1.png', 'c2.png', 'c3.png']],
    ] as const;
    await serveReports(page, reportOf({ ...PETS, mistakes }));
    await openResult('Confusions');
    await page.getByRole('heading', { name: 'cat, classified as dog: 3 images' }).waitFor();
    expect(await page.locator('.behind img').evaluateAll((all) => all.map((each) => each.getAttribute('alt')))).toEqual(
      ['c1.png', 'c2.png', 'c3.png'],
    );
    const pairs = page.locator('.pair');
    expect(await pairs.allTextContents()).toEqual([
      'catdog3 images, 30.0% of the class',
      'dogbird1 image, 10.0% of the class',
    ]);
    const chosen = page.getByRole('button', { name: '3 images of cat classified as dog' });
    expect(await chosen.getAttribute('aria-pressed')).toBe('true');

    await page.getByRole('button', { name: '1 image of dog classified as bird' }).click();
    await page.getByRole('heading', { name: 'dog, classified as bird: 1 image' }).waitFor();
    expect(await pairs.nth(1).getAttribute('aria-pressed')).toBe('true');
    expect(await chosen.getAttribute('aria-pressed')).toBe('false');
  });

  test('says how many answers a threshold leaves, and how many of these are right', async () => {
    const { page } = opened;
    await page.setViewportSize({ width, height: 900 });
    await serveReports(page, reportOf({ ...PETS, mistakes: [[0, 1, ['c1.png']]] }));
    await openResult('Summary');
    const slider = page.getByRole('slider', { name: 'Take answers that are at least 60% sure' });
    await page.getByText('Answers 80.0%, right 95.0% of those.').waitFor();
    await slider.fill('0.61');
    await page.getByText('Answers 50.0%, right 100% of those.').waitFor();
    await page.getByRole('slider').fill('0');
    await page.getByText('Answers 100%, right 96.7% of those.').waitFor();
    await page.getByRole('slider').fill('0.95');
    await page.getByText('Answers none of 30 images.').waitFor();
  });

  test('of 200 classes is searched, has no zeros, and keeps the heads of its tables in sight', async () => {
    const { page } = opened;
    await page.setViewportSize({ width, height: 900 });
    await serveReports(page, manyClasses());
    await openResult('Summary');
    for (const [tab, rowsFound] of [
      ['Confusions', 2],
      ['Classes', 1],
    ] as const) {
      await page.getByRole('tab', { name: tab }).click();
      const panel = page.getByRole('tabpanel');
      const rows = panel.locator('.sheet tbody tr');
      await rows.nth(199).scrollIntoViewIfNeeded();
      const distance = await panel.locator('.sheet').evaluate((sheet) => {
        const head = sheet.querySelector('th');
        return (head?.getBoundingClientRect().top ?? 0) - sheet.getBoundingClientRect().top;
      });
      expect(Math.abs(distance), tab).toBeLessThan(4);
      expect(await panel.getByText('0', { exact: true }).count(), tab).toBe(0);
      await panel.getByRole('searchbox').fill('THING 42');
      await rows.nth(rowsFound).waitFor({ state: 'detached' });
      expect(
        (await rows.allTextContents()).every((text) => text.includes('thing 42')),
        tab,
      ).toBe(true);
      await panel.getByRole('searchbox').fill('nothing');
      await panel.getByText('No class matches.').waitFor();
    }
  });

  test('compares versions on the same images, and says why others do not compare', async () => {
    const { page } = opened;
    await page.setViewportSize({ width, height: 900 });
    const wrong = (images: number) => [[0, 1, Array.from({ length: images }, (_, index) => `${index}.png`)]] as const;
    await serveReports(
      page,
      reportOf({ ...PETS, version: 1, mistakes: wrong(3) }),
      reportOf({ ...PETS, version: 2, mistakes: wrong(1) }),
      reportOf({ ...PETS, version: 3, mistakes: wrong(0), sha256: 'b' }),
      reportOf({ ...PETS, version: 4, mistakes: wrong(0), sha256: 'c' }),
      reportOf({ ...PETS, version: 5, mistakes: wrong(6), current: { model: 'pets', version: 4, accuracy: 0.5 } }),
    );
    await openResult('Summary', 5);
    const section = page.locator('section').filter({ hasText: 'Versions on the same images' });
    const row = (version: number) => section.getByRole('row', { name: `Version ${version}` });
    await row(1).waitFor();
    expect(await row(5).textContent()).toBe('Version 580.0%this one');
    expect(await row(4).textContent()).toBe('Version 450.0%−30.0 points');
    expect(await row(3).textContent()).toBe('Version 3Not comparable: it was tested on other images, 100% right');
    expect(await row(2).textContent()).toBe('Version 296.7%+16.7 points');
    expect(await row(1).textContent()).toBe('Version 190.0%+10.0 points');
  });

  test.each(['light', 'dark'] as const)('is accessible in %s colours', async (colorScheme) => {
    const { page } = opened;
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme });
    await serveReports(
      page,
      reportOf({ ...PETS, version: 1, mistakes: [] }),
      reportOf({ ...PETS, version: 2, mistakes: [[0, 1, ['c1.png', 'c2.png']]] }),
    );
    for (const tab of TABS) {
      await openResult(tab, 2);
      expect(await barriers(page), tab).toEqual([]);
    }
  });
});

test('no part of a result is cut at any width', async () => {
  const { page, url } = opened;
  const classes = Array.from({ length: 20 }, (_, index) => `automobile number ${index}`);
  const mistakes = classes.map((_, index) => [index, (index + 3) % 20, ['one.png', 'two.png']] as const);
  await serveReports(
    page,
    reportOf({ classes, mistakes, version: 1 }),
    reportOf({ classes, mistakes, version: 2, sha256: 'b' }),
  );
  await page.goto(`${url}/#/results/pets/2`);
  for (const tab of TABS) {
    await page.getByRole('tab', { name: tab }).click();
    for (let width = 300; width <= 1700; width += 100) {
      await page.setViewportSize({ width, height: 900 });
      // What follows the size of its place has been drawn in the frame after.
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
      expect(await page.evaluate(() => document.documentElement.scrollWidth), `${tab} at ${width}`).toBeLessThanOrEqual(
        width,
      );
      expect(await isCut(page), tab).toEqual([]);
    }
  }
});

test('a finger meets nothing in a result that is smaller than 44 pixels', async () => {
  const phone = await opened.page
    .context()
    .browser()
    ?.newContext({
      viewport: { width: 390, height: 844 },
      hasTouch: true,
      isMobile: true,
    });
  const page = await phone?.newPage();
  if (page === undefined) throw new Error('no page');
  await serveReports(page, manyClasses());
  await page.goto(`${opened.url}/#/results/pets/1`);
  for (const tab of TABS) {
    await page.getByRole('tab', { name: tab }).click();
    const small = await page.evaluate(() =>
      [...document.querySelectorAll('main :is(button:not(.link), .button, input, summary)')]
        .filter((element) => element.checkVisibility())
        .map((element) => ({ element, box: element.getBoundingClientRect() }))
        .filter(({ box }) => box.height < 43.5 || box.width < 43.5)
        .map(({ element, box }) => `${element.className} ${element.textContent}: ${box.width} x ${box.height}`),
    );
    expect(small, tab).toEqual([]);
  }
  await phone?.close();
});

describe('wrong labels', () => {
  /** Half of the images of each class belong to the other. */
  async function teachWrongly(page: Page, name: string): Promise<void> {
    const colours = ['red', 'blue'] as const;
    for (const [index, colour] of colours.entries()) {
      const card = page.locator('.class-card').nth(index);
      await card.getByRole('textbox').fill(colour);
      const files = Array.from({ length: 20 }, async (_, number) => {
        const shown = colours[(index + number) % 2] ?? colour;
        const buffer = await colouredPicture(shown, index * 20 + number);
        return { name: `${shown} ${number}.png`, mimeType: 'image/png', buffer };
      });
      await card.locator('input[type=file]').setInputFiles(await Promise.all(files));
      await card.getByText('20 images').waitFor();
    }
    await page.getByLabel('Model name').fill(name);
    await page.getByRole('button', { name: 'Train' }).click();
    await page.getByRole('heading', { name: `${name}, version 1` }).waitFor();
    await page.getByRole('tab', { name: 'Confusions' }).click();
  }

  // It trains, and waits for the machine as long as that takes.
  test('are corrected in the draft, with a way back, and trained again', { timeout: 400_000 }, async () => {
    const { page, url } = opened;
    await page.goto(`${url}/#/teach`);
    await teachWrongly(page, 'mislabelled');
    const move = page.locator('.behind').getByRole('button', { name: /^Move (red|blue) \d+\.png to (red|blue)$/ });
    const [, file, to] = /^Move (.*) to (.*)$/.exec((await move.first().getAttribute('aria-label')) ?? '') ?? [];
    await move.first().click();
    await page.getByText(`Moved ${file} to “${to}”.`).waitFor();
    const shot = page.locator('.behind li').filter({ has: page.locator(`img[alt="${file}"]`) });
    await shot.getByText(`Now in ${to}`).waitFor();
    await page.getByRole('button', { name: 'Undo' }).click();
    await shot.getByRole('button', { name: `Move ${file} to ${to}` }).click();

    await page.reload();
    await page.getByRole('tab', { name: 'Confusions' }).click();
    await shot.getByText(`Now in ${to}`).waitFor();
    await page.getByRole('tab', { name: 'Pictures' }).click();
    const remove = page.getByRole('tabpanel').getByRole('button', { name: /^Remove / });
    const left = await remove.count();
    if (left > 0) {
      await remove.first().click();
      await page.getByText(/^Removed 1 image of/).waitFor();
      await page.getByRole('tabpanel').getByText('Not in the draft').first().waitFor();
    }
    await page.getByRole('tabpanel').getByRole('link', { name: 'Train again' }).click();
    await page.getByText('You have changed the data set since its last training.').waitFor();
    await page
      .locator('.class-card')
      .nth(to === 'red' ? 0 : 1)
      .getByText('21 images')
      .waitFor();
  });

  test('of images that the draft does not have are told so', async () => {
    const { page, url } = opened;
    await serveReports(page, reportOf({ ...PETS, mistakes: [[0, 1, ['1-cat/photo~k1-k2-k3.jpg']]] }));
    await openResult('Confusions');
    await page
      .getByRole('tabpanel')
      .getByText('There is no draft in this browser, so labels cannot be corrected here.')
      .waitFor();
    await page.goto(`${url}/#/teach`);
    const image = { name: 'photo.jpg', mimeType: 'image/png', buffer: await colouredPicture('red', 1) };
    await page.locator('.class-card').first().locator('input[type=file]').setInputFiles(image);
    await page.locator('.class-card').first().getByText('1 image,').waitFor();
    await openResult('Confusions');
    await page.locator('.behind').getByText('Not in the draft').waitFor();
    expect(await page.locator('.behind').getByRole('button').count()).toBe(0);
  });
});
