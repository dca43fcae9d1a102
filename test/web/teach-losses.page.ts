import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { colourZip } from '../../scripts/labelled-zip.ts';
import { colouredFiles, withPage } from './browser.ts';

const opened = withPage('/#/teach');

const card = (page: Page, number: number) => page.locator('.class-card').nth(number - 1);

/** Names a class and gives it images. */
async function fillClass(page: Page, number: number, name: string, images: number): Promise<void> {
  await card(page, number).getByRole('textbox').fill(name);
  const files = Array.from({ length: images }, (_, index) => `${index}.png`);
  const colour = number === 1 ? 'red' : 'blue';
  await card(page, number)
    .locator('input[type=file]')
    .setInputFiles(await colouredFiles(colour, ...files));
  await card(page, number).getByText(`${images} image`).waitFor();
}

/** Waits until the first image of the first class can be decoded. */
async function firstImageIsWhole(page: Page): Promise<void> {
  await card(page, 1)
    .locator('.shot img')
    .first()
    .evaluate((image: HTMLImageElement) => image.decode());
}

async function fillDraft(page: Page): Promise<void> {
  await fillClass(page, 1, 'red things', 6);
  await fillClass(page, 2, 'blue things', 6);
}

const nameModel = (page: Page, name: string) => page.getByLabel('Model name').fill(name);
const trainButton = (page: Page) => page.getByRole('button', { name: 'Train', exact: true });

/** Holds the requests that send a data set for training, until it is called. */
async function holdTrainings(page: Page): Promise<() => void> {
  let release = (): void => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  await page.route('**/finetune?name=*', async (route) => {
    await released;
    await route.continue();
  });
  return release;
}

/** The jobs that train a model, which are cancelled. */
async function endJobs(name: string): Promise<number> {
  const { jobs } = (await (await fetch(`${opened.url}/jobs`)).json()) as {
    jobs: { id: string; options: { name?: string } }[];
  };
  const own = jobs.filter(({ options }) => options.name === name);
  for (const { id } of own) await fetch(`${opened.url}/jobs/${id}`, { method: 'DELETE' });
  return own.length;
}

/** Waits until the browser keeps the draft as it is: only then it does not ask before the page is left. */
async function kept(page: Page): Promise<void> {
  await page.waitForFunction(() => {
    const event = new Event('beforeunload', { cancelable: true });
    window.dispatchEvent(event);
    return !event.defaultPrevented;
  });
}

describe.each([390, 1600])('at a width of %d pixels, the draft', (width) => {
  const open = async () => {
    await opened.page.setViewportSize({ width, height: 900 });
    await card(opened.page, 1).waitFor();
    return opened.page;
  };

  test('comes back after a reload in the middle, with names, images and options', async () => {
    const page = await open();
    await fillClass(page, 1, 'red things', 6);
    await fillClass(page, 2, 'blue things', 3);
    await nameModel(page, 'half');
    await page.getByText('More settings').click();
    await page.getByLabel('Augmentation').selectOption('Robust');
    await kept(page);
    await page.reload();
    await card(page, 1).getByText('6 images').waitFor();
    await card(page, 2).getByText('3 images, 2 more needed').waitFor();
    expect(await card(page, 2).getByRole('textbox').inputValue()).toBe('blue things');
    expect(await page.getByLabel('Model name').inputValue()).toBe('half');
    await page.getByText('More settings: Robust').waitFor();
    await firstImageIsWhole(page);
  });

  test('gets removed images and classes back with one click, and keeps them', async () => {
    const page = await open();
    await fillDraft(page);
    for (let times = 0; times < 3; times += 1) await card(page, 1).locator('.shot').first().click();
    await page.getByText('Removed 3 images of “red things”.').waitFor();
    await card(page, 1).getByText('3 images, 2 more needed').waitFor();
    await page.getByRole('button', { name: 'Undo' }).click();
    await card(page, 1).getByText('6 images').waitFor();
    const order = await card(page, 1)
      .locator('.shot')
      .evaluateAll((shots) => shots.map((shot) => shot.getAttribute('title')));
    expect(order).toEqual(Array.from({ length: 6 }, (_, index) => `Remove ${index}.png`));

    // These images come from the browser now, which deletes them with the draft.
    await kept(page);
    await page.reload();
    await page.getByRole('button', { name: 'Start anew' }).click();
    await card(page, 1).getByText('0 images').waitFor();
    await kept(page);
    await page.getByRole('button', { name: 'Undo' }).click();
    await card(page, 2).getByText('6 images').waitFor();
    await kept(page);
    await page.reload();
    await card(page, 2).getByText('6 images').waitFor();
    expect(await card(page, 1).getByRole('textbox').inputValue()).toBe('red things');
    await firstImageIsWhole(page);
  });

  test('is trained as it was when Train was clicked, though a class is renamed meanwhile', async () => {
    const page = await open();
    await page.addInitScript(() => {
      const { send } = XMLHttpRequest.prototype;
      XMLHttpRequest.prototype.send = function (body) {
        if (body instanceof FormData) Object.assign(globalThis, { zip: body.get('dataset') });
        send.call(this, body);
      };
    });
    await page.reload();
    await fillDraft(page);
    const name = `renamed-${width}`;
    await nameModel(page, name);
    const release = await holdTrainings(page);
    await trainButton(page).click();
    await card(page, 1).getByRole('textbox').fill('crimson things');
    await page.getByText(/the draft as it was when you clicked Train/).waitFor();
    await page.waitForFunction(() => 'zip' in globalThis);
    const zip = await page.evaluate(() => (globalThis as unknown as { zip: File }).zip.text());
    expect(zip).toContain('"red things"');
    expect(zip).not.toContain('crimson');
    release();
    await page.getByText('This is of an older draft').waitFor();
    expect(await endJobs(name)).toBe(1);
    await page.getByRole('link', { name: 'Train again' }).click();
    expect(await card(page, 1).getByRole('textbox').inputValue()).toBe('crimson things');
    await page.getByText('You have changed the data set since its last training.').waitFor();
  });

  test('is trained once when Train is clicked twice, and locked while it is sent', async () => {
    const page = await open();
    await fillDraft(page);
    const name = `twice-${width}`;
    await nameModel(page, name);
    const release = await holdTrainings(page);
    await trainButton(page).dblclick();
    await page.getByText(/sent$/).waitFor();
    expect(await trainButton(page).isDisabled()).toBe(true);
    expect(await page.getByLabel('Model name').isDisabled()).toBe(true);
    release();
    await page.waitForURL(/#\/jobs\//);
    expect(await endJobs(name)).toBe(1);
    await page.goBack();
    await page.getByText('This data set has been sent.').waitFor();
  });

  test('goes on its way when another screen is opened, with a badge, and asks before the window is closed', async () => {
    const page = await open();
    await fillDraft(page);
    const name = `left-${width}`;
    await nameModel(page, name);
    const release = await holdTrainings(page);
    await trainButton(page).click();
    const navigation = page.getByRole('navigation');
    await navigation.getByText(/sending/).waitFor();
    await navigation.getByRole('link', { name: 'Zoo' }).click();
    await page.getByRole('heading', { name: 'Model zoo' }).waitFor();
    const asked = page.waitForEvent('dialog');
    await page.close({ runBeforeUnload: true });
    const dialog = await asked;
    expect(dialog.type()).toBe('beforeunload');
    await dialog.dismiss();
    release();
    await navigation.getByText('training').waitFor();
    expect(await endJobs(name)).toBe(1);
    await navigation.getByRole('link', { name: 'Teach' }).click();
    await page.getByText('This data set has been sent.').waitFor();
    await card(page, 2).getByText('6 images').waitFor();
    expect(await navigation.getByText('training').count()).toBe(0);
  });

  test('says on a slow network how much is sent, and can be kept from being sent', async () => {
    const page = await open();
    await fillDraft(page);
    const noise = Array.from({ length: 4 }, (_, index) => ({
      name: `noise-${index}.png`,
      mimeType: 'image/png',
      buffer: Buffer.alloc(300_000, index),
    }));
    await card(page, 1).locator('input[type=file]').setInputFiles(noise);
    await card(page, 1).getByText('10 images').waitFor();
    const name = `slow-${width}`;
    await nameModel(page, name);
    const devtools = await page.context().newCDPSession(page);
    const slow = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 50_000 };
    await devtools.send('Network.emulateNetworkConditions', slow);
    await trainButton(page).click();
    await page.getByText(/^[1-9]\d* kB of 1\.2 MB sent/).waitFor();
    await page.getByText(/sent, about \d+ s left/).waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    expect(await trainButton(page).isEnabled()).toBe(true);
    expect(await endJobs(name)).toBe(0);
  });

  test('takes what is dropped where it is dropped, and says what it does not take', async () => {
    const page = await open();
    const drop = (number: number, content: { file?: [name: string, type: string]; url?: string }) =>
      card(page, number).evaluate((element, { file, url }) => {
        const dataTransfer = new DataTransfer();
        if (file) dataTransfer.items.add(new File(['x'], file[0], { type: file[1] }));
        if (url) dataTransfer.setData('text/uri-list', url);
        for (const type of ['dragover', 'drop'])
          element.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
      }, content);
    await drop(2, { file: ['photo.jpg', 'image/jpeg'] });
    await card(page, 2).getByText('1 image,').waitFor();
    await drop(2, { url: 'data:image/png;base64,iVBORw0KGgo=' });
    await card(page, 2).getByText('2 images').waitFor();
    await drop(1, { file: ['notes.txt', 'text/plain'] });
    await page.getByText('“notes.txt” is no image and was left out.').waitFor();
    await drop(1, { url: 'https://example.com/cat.jpg' });
    await page.getByText(/This image is on example\.com, from where a page may not read it\. Save it/).waitFor();
    expect(await card(page, 1).getByText('0 images').count()).toBe(1);
    expect(await page.locator('.over, .dragging').count()).toBe(0);
  });

  test('takes a pasted image into the class that has the focus', async () => {
    const page = await open();
    await card(page, 2).getByRole('textbox').focus();
    await page.evaluate(() => {
      const clipboardData = new DataTransfer();
      clipboardData.items.add(new File(['x'], 'pasted.png', { type: 'image/png' }));
      document.activeElement?.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true }));
    });
    await card(page, 2).getByText('1 image,').waitFor();
  });

  test('says that a check is of an older draft once the draft is edited', async () => {
    const page = await open();
    await fillDraft(page);
    await page.getByRole('button', { name: 'Check the data set' }).click();
    await page.getByText(/images of 2 classes train the head/).waitFor();
    await card(page, 1).getByRole('textbox').fill('crimson things');
    await page.getByText('This is the check of an older draft').waitFor();
    await page.getByRole('button', { name: 'Check again' }).click();
    await page.getByRole('row', { name: /crimson things/ }).waitFor();
    expect(await page.getByText('This is the check of an older draft').count()).toBe(0);
  });
});

test('the draft is the same in two windows', async () => {
  const { page, url } = opened;
  await fillClass(page, 1, 'red things', 2);
  await kept(page);
  const other = await page.context().newPage();
  await other.goto(`${url}/#/teach`);
  await card(other, 1).getByText('2 images').waitFor();
  await fillClass(other, 2, 'blue things', 3);
  await card(page, 2).getByText('3 images').waitFor();
});

test('a draft that the browser has no room for says so, and asks before it is lost', async () => {
  const { page, url } = opened;
  await card(page, 1).waitFor();
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Storage.overrideQuotaForOrigin', { origin: url, quotaSize: 1_000_000 });
  const large = { name: 'large.png', mimeType: 'image/png', buffer: Buffer.alloc(2_000_000) };
  await card(page, 1).locator('input[type=file]').setInputFiles([large]);
  await page.getByText('This draft is not kept').waitFor();
  await page.getByText(/The browser has no space left for this page/).waitFor();
  const asked = page.waitForEvent('dialog');
  await page.close({ runBeforeUnload: true });
  await (await asked).dismiss();
  // There is room again.
  await devtools.send('Storage.overrideQuotaForOrigin', { origin: url });
  await card(page, 1).getByRole('textbox').fill('red things');
  await page.getByText('This draft is not kept').waitFor({ state: 'detached' });
});

describe('the camera', () => {
  test('records while the button is held', async () => {
    const { page } = opened;
    await page.getByRole('button', { name: 'Record class 2' }).click();
    const hold = page.getByRole('button', { name: 'Hold to record' });
    await hold.hover();
    await page.mouse.down();
    await card(page, 2).getByText('3 images recorded').waitFor();
    await page.mouse.up();
    await hold.waitFor();
    const told = page.getByText('images recorded');
    const byMouse = Number.parseInt((await told.textContent()) ?? '', 10);
    await hold.focus();
    await page.keyboard.down('Space');
    await page.getByRole('button', { name: 'Recording …' }).waitFor();
    await page.waitForFunction(
      (least) => Number.parseInt(document.querySelector('.recorder [role=status]')?.textContent ?? '', 10) > least,
      byMouse + 1,
    );
    await page.keyboard.up('Space');
    await hold.waitFor();
    await page.getByRole('button', { name: 'Close camera of class 2' }).click();
    expect(await page.locator('video').count()).toBe(0);
  });

  test('shows what the model that was trained last answers, beside the classes', async () => {
    const { page, url } = opened;
    const form = new FormData();
    form.append('dataset', new Blob([new Uint8Array(await colourZip())]), 'colours.zip');
    const query = new URLSearchParams({ name: 'previewed', copies: '0', epochs: '2', corruptions: 'false' });
    const response = await fetch(`${url}/finetune?${query}`, { method: 'POST', body: form });
    const { id } = (await response.json()) as { id: string };
    // The stream ends with the job.
    await (await fetch(`${url}/jobs/${id}/events`)).text();
    await page.reload();
    const preview = page.getByRole('complementary', { name: /Preview of previewed@/ });
    await preview.getByRole('button', { name: 'Start preview' }).click();
    await preview.locator('.bars li').nth(2).waitFor();
    const asked = page.waitForRequest(/classify\?model=previewed%40.*tta=flip/);
    await preview.getByRole('combobox').selectOption({ index: 1 });
    await asked;
    await preview.getByRole('button', { name: 'Stop preview' }).click();
    expect(await page.locator('video').count()).toBe(0);

    await page.goto(`${url}/#/jobs/${id}`);
    const use = page.getByRole('region', { name: 'Use it' });
    await use.getByText(/^curl -F image=@photo\.jpg .*classify\?model=previewed/).waitFor();
    await use.getByRole('tab', { name: 'Python' }).click();
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await use.getByRole('button', { name: 'Copy the code' }).click();
    await use.getByText('Copied').waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toContain('params={"model": "previewed"}');
  });
});
