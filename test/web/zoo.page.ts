import { describe, expect, test } from 'vitest';
import { withPage } from './browser.ts';

const opened = withPage('/#/zoo');
const MODEL = 'inception_v1_slim.tiny200';

describe('the zoo', () => {
  test('lists the models with what one chooses them by, and measures their speed', async () => {
    const { page } = opened;
    const row = page.getByRole('row').filter({ hasText: 'resnet18_slim.tiny200' });
    for (const fact of ['45.9%', '5.7 MB', '200', '64 × 64', 'Apache-2.0']) {
      await row.getByRole('cell', { name: fact }).first().waitFor();
    }
    await row.getByRole('button', { name: /Measure/ }).click();
    await row.getByText(/ms, \d+ images/).waitFor();
  });

  test('has the members of a family together, and sorts by any column', async () => {
    const { page } = opened;
    const family = page.locator('tbody').filter({ has: page.getByRole('rowheader', { name: 'ResNet', exact: true }) });
    await family.waitFor();
    const members = await family.locator('code').allTextContents();
    expect(members[0]).toBe('resnet18_slim.tiny200');
    expect(members).toContain('wide_resnet50_2.tv_in1k');
    expect(members.filter((name) => !/resne/.test(name))).toEqual([]);

    const values = async (column: string): Promise<number[]> => {
      const cells = await page.locator(`td[data-label="${column}"]`).allTextContents();
      return cells.map(Number.parseFloat).filter((value) => !Number.isNaN(value));
    };
    const accuracy = page.getByRole('columnheader', { name: 'Accuracy' });
    await accuracy.getByRole('button').click();
    expect(await accuracy.getAttribute('aria-sort')).toBe('descending');
    const found = await values('Accuracy');
    expect(found.length).toBeGreaterThan(25);
    expect(found).toEqual(found.toSorted((a, b) => b - a));
    // The focus stays on what was pressed, though the list is drawn again.
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Accuracy');
    await accuracy.getByRole('button').click();
    expect(await values('Accuracy')).toEqual(found.toReversed());
    await accuracy.getByRole('button').click();
    await family.waitFor();
  });

  test('has the command for a terminal in a menu', async () => {
    const { page } = opened;
    await page.getByRole('button', { name: 'More about resnet50.tv_in1k' }).click();
    await page.getByText('npx menagerie pull resnet50.tv_in1k').waitFor();
    await page.keyboard.press('Escape');
    await page.getByText('npx menagerie pull resnet50.tv_in1k').waitFor({ state: 'hidden' });
  });

  test('offers to load a model that was unloaded', async () => {
    const { page, url } = opened;
    await fetch(`${url}/v2/repository/models/${MODEL}/unload`, { method: 'POST' });
    await page.reload();
    await page.getByRole('button', { name: `Load ${MODEL}` }).click();
    await page.getByRole('link', { name: `Use ${MODEL}` }).waitFor();
  });

  test.each(['the list', 'its card'])(
    'deletes a taught model from %s, whatever points to its versions',
    async (from) => {
      const { page, url } = opened;
      const removed: string[] = [];
      const flowers = { id: 'flowers', title: 'flowers', versions: [1, 2], version: 2 };
      const aliases = { production: 2, candidate: 1 };
      await page.route('**/models', async (route) => {
        const list = await (await route.fetch()).json();
        const taught = removed.length > 0 ? [] : [{ ...list.models[0], ...flowers, aliases, default: false }];
        await route.fulfill({ json: { ...list, models: [...list.models, ...taught] } });
      });
      await page.route('**/models/flowers**', async (route) => {
        const request = route.request();
        if (request.method() === 'DELETE') {
          removed.push(new URL(request.url()).pathname);
          await (request.url().includes('aliases') ? route.fulfill({ json: {} }) : route.fulfill({ status: 204 }));
          return;
        }
        const card = await (await fetch(`${url}/models/${MODEL}`)).json();
        await route.fulfill({ json: { ...card, ...flowers, aliases, provenance: { backbone: MODEL } } });
      });
      await page.route('**/models/flowers/**', (route) => {
        removed.push(new URL(route.request().url()).pathname);
        return route.fulfill({ json: {} });
      });
      page.on('dialog', (dialog) => dialog.accept());
      if (from === 'the list') {
        await page.reload();
        await page.getByRole('button', { name: 'More about flowers' }).click();
        await page.getByRole('button', { name: 'Delete …' }).click();
      } else {
        await page.goto(`${url}/#/zoo/flowers`);
        await page.getByRole('button', { name: 'Delete the model …' }).click();
      }
      await page.getByRole('heading', { name: 'Model zoo' }).waitFor();
      await expect.poll(() => page.getByText('flowers', { exact: true }).count()).toBe(0);
      expect(removed).toEqual([
        '/models/flowers/aliases/production',
        '/models/flowers/aliases/candidate',
        '/models/flowers%401',
        '/models/flowers%402',
      ]);
    },
  );

  test('shows the card of a model, which can be loaded and unloaded', async () => {
    const { page, url } = opened;
    // Another test may have loaded it.
    await fetch(`${url}/v2/repository/models/${MODEL}/unload`, { method: 'POST' });
    await page.getByRole('link', { name: 'Inception v1 (GoogLeNet), slim' }).click();
    await page.getByRole('heading', { name: '200 classes' }).waitFor();
    await page.getByRole('button', { name: 'Load', exact: true }).click();
    await page.getByText('Version 1 is loaded.').waitFor();
    await page.getByRole('button', { name: 'Unload' }).click();
    await page.getByText(/Not loaded/).waitFor();
    await page.getByRole('button', { name: 'Load', exact: true }).click();
    await page.getByText('Version 1 is loaded.').waitFor();

    const exported = page.waitForEvent('download');
    await page.getByRole('link', { name: 'ONNX' }).click();
    expect((await exported).suggestedFilename()).toBe(`${MODEL}-1-onnx.zip`);
    expect((await exported).url()).toContain(url);
  });

  test('shows what forms of a model in fewer bits lose and gain', async () => {
    const { page, url } = opened;
    const form = { size_bytes: 2_900_000, images: 872, agreement: 0.98, speed: { ratio: 2.07 } };
    const accuracy = { images: 872, float: 0.436, rounded: 0.431, int8: 0.437 };
    await page.route(`**/models/${MODEL}`, async (route) => {
      const response = await route.fetch();
      const forms = { quantization: { ...form, accuracy }, rounded_weights: { uint8: { ...form, accuracy } } };
      await route.fulfill({ response, json: { ...(await response.json()), ...forms } });
    });
    await page.goto(`${url}/#/zoo/${MODEL}`);
    const rest = 'instead of 43.6%, same class on 98% of 872 images, 2.1 times as fast';
    await page.getByText(`2.9 MB, top-1 43.7% ${rest}`, { exact: true }).waitFor();
    await page.getByText(`2.9 MB, top-1 43.1% ${rest}`, { exact: true }).waitFor();
    await page.getByText('TF.js weights, uint8', { exact: true }).waitFor();
    expect(await page.getByText('TF.js weights, float16').count()).toBe(0);
    await page.unroute(`**/models/${MODEL}`);
  });

  test('names the damaged versions and aliases of a model', async () => {
    const { page, url } = opened;
    await page.route(`**/models/${MODEL}`, async (route) => {
      const response = await route.fetch();
      const damaged = [{ reference: `${MODEL}@stable`, reason: 'stable.json cannot be read' }];
      await route.fulfill({ response, json: { ...(await response.json()), damaged } });
    });
    await page.goto(`${url}/#/zoo/${MODEL}`);
    await page.getByText(`${MODEL}@stable: stable.json cannot be read.`, { exact: true }).waitFor();
    await page.unroute(`**/models/${MODEL}`);
  });

  test('says when there is no such model', async () => {
    const { page } = opened;
    await page.goto(`${opened.url}/#/zoo/unicorn`);
    await page.getByText(/There is no model "unicorn"/).waitFor();
  });
});

describe('a pull', () => {
  const MODEL_AWAY = 'resnet50.tv_in1k';
  const pull = {
    model: MODEL_AWAY,
    state: 'running',
    phase: 'download',
    done_bytes: 51_000_000,
    total_bytes: 102_000_000,
  };

  test('shows its progress, and why it failed', async () => {
    const { page } = opened;
    const failed = { ...pull, state: 'failed', reason: 'the host does not answer: try again later' };
    await page.route(`**/models/${MODEL_AWAY}/pull`, (route) =>
      route.fulfill({ status: 202, json: { ...pull, reason: null } }),
    );
    let letGo = (): void => {};
    const watched = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    await page.route(`**/models/${MODEL_AWAY}/pull/events`, async (route) => {
      await watched;
      const body = `id: 1\nevent: pull\ndata: ${JSON.stringify(failed)}\n\n`;
      await route.fulfill({ contentType: 'text/event-stream', body });
    });
    await page.getByRole('button', { name: `Get it: ${MODEL_AWAY}` }).click();
    await page.getByText('Downloading 51 MB of 102 MB').waitFor();
    expect(await page.getByRole('progressbar', { name: 'Downloading' }).getAttribute('value')).toBe('51000000');
    letGo();
    await page.getByText('The host does not answer: try again later.').waitFor();
    await page.getByRole('button', { name: 'Try again' }).waitFor();
  });

  test('that no host answers says in words where the file belongs', async () => {
    const { page } = opened;
    const source = 'https://huggingface.co/timm/resnet50/model.safetensors';
    const reason = `huggingface.co cannot be reached (ENOTFOUND): fetch ${source} elsewhere and put it here as /data/zoo/x`;
    await page.route(`**/models/${MODEL_AWAY}/pull`, (route) =>
      route.fulfill({ status: 202, json: { ...pull, reason: null } }),
    );
    await page.route(`**/models/${MODEL_AWAY}/pull/events`, (route) => {
      const body = `id: 1\nevent: pull\ndata: ${JSON.stringify({ ...pull, state: 'failed', reason })}\n\n`;
      return route.fulfill({ contentType: 'text/event-stream', body });
    });
    await page.getByRole('button', { name: `Get it: ${MODEL_AWAY}` }).click();
    const notice = page.getByRole('alert').filter({ hasText: 'The server has no way to huggingface.co' });
    expect(await notice.getByRole('link', { name: 'the file' }).getAttribute('href')).toBe(source);
    await notice.getByText('/data/zoo/x', { exact: true }).waitFor();
  });

  test('is followed again when the server refuses its stream for a moment', async () => {
    const { page } = opened;
    await page.route(`**/models/${MODEL_AWAY}/pull`, (route) =>
      route.fulfill({ status: 202, json: { ...pull, reason: null } }),
    );
    let requests = 0;
    await page.route(`**/models/${MODEL_AWAY}/pull/events`, (route) => {
      requests += 1;
      if (requests === 1) return route.fulfill({ status: 503, headers: { 'retry-after': '1' } });
      const cancelled = { ...pull, state: 'cancelled', reason: null };
      const body = `id: 1\nevent: pull\ndata: ${JSON.stringify(cancelled)}\n\n`;
      return route.fulfill({ contentType: 'text/event-stream', body });
    });
    await page.getByRole('button', { name: `Get it: ${MODEL_AWAY}` }).click();
    await page.getByText('Downloading 51 MB of 102 MB').waitFor();
    await page.getByRole('button', { name: `Get it: ${MODEL_AWAY}` }).waitFor();
    expect(requests).toBe(2);
  });

  test('is shown, not started again, when the screen is opened again', async () => {
    const { page } = opened;
    const methods: string[] = [];
    await page.route(`**/models/${MODEL_AWAY}/pull`, (route) => {
      methods.push(route.request().method());
      return route.fulfill({ status: 202, json: { ...pull, reason: null } });
    });
    await page.route(`**/models/${MODEL_AWAY}/pull/events`, () => new Promise(() => {}));
    await page.getByRole('button', { name: `Get it: ${MODEL_AWAY}` }).click();
    await page.getByText('Downloading 51 MB of 102 MB').waitFor();
    await page.getByRole('navigation').getByRole('link', { name: 'Classify' }).click();
    await page.getByRole('heading', { name: 'What is in the image?' }).waitFor();
    await page.getByRole('navigation').getByRole('link', { name: 'Zoo' }).click();
    await page.getByText('Downloading 51 MB of 102 MB').waitFor();
    // Both screens offer the model; a screen that is left at once may not have asked for its pull.
    expect(methods.filter((method) => method === 'POST')).toEqual(['POST']);
    expect(methods.at(-1)).toBe('GET');
  });
});
