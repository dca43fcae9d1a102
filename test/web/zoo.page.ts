import { describe, expect, test } from 'vitest';
import { withPage } from './browser.ts';

const opened = withPage('/#/zoo');
const MODEL = 'inception_v1_slim.tiny200';

describe('the zoo', () => {
  test('lists the models, and measures their speed', async () => {
    const { page } = opened;
    const tile = page.getByRole('listitem').filter({ hasText: 'resnet18_slim.tiny200' });
    await tile.getByText('45.9%').waitFor();
    await tile.getByRole('button', { name: /Measure/ }).click();
    await tile.getByText(/ms, \d+ images/).waitFor();
  });

  test('says how to pull models that are not downloaded', async () => {
    await opened.page.getByText('npx menagerie pull resnet50.tv_in1k').waitFor();
    await opened.page.getByRole('button', { name: 'Pull resnet50.tv_in1k' }).waitFor();
  });

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
    await page.getByRole('button', { name: `Pull ${MODEL_AWAY}` }).click();
    await page.getByText('Downloading 51 MB of 102 MB').waitFor();
    expect(await page.getByRole('progressbar', { name: 'Downloading' }).getAttribute('value')).toBe('51000000');
    letGo();
    await page.getByText('The host does not answer: try again later.').waitFor();
    await page.getByRole('button', { name: 'Try again' }).waitFor();
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
    await page.getByRole('button', { name: `Pull ${MODEL_AWAY}` }).click();
    await page.getByText('Downloading 51 MB of 102 MB').waitFor();
    await page.getByRole('button', { name: `Pull ${MODEL_AWAY}` }).waitFor();
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
    await page.getByRole('button', { name: `Pull ${MODEL_AWAY}` }).click();
    await page.getByText('Downloading 51 MB of 102 MB').waitFor();
    await page.getByRole('navigation').getByRole('link', { name: 'Classify' }).click();
    await page.getByRole('heading', { name: 'What is in the image?' }).waitFor();
    await page.getByRole('navigation').getByRole('link', { name: 'Zoo' }).click();
    await page.getByText('Downloading 51 MB of 102 MB').waitFor();
    expect(methods).toEqual(['POST', 'GET']);
  });
});
