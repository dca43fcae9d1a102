import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { colourZip } from '../../scripts/labelled-zip.ts';
import { type ServerProcess, startServer, untilReady } from '../../scripts/server-process.ts';
import { KeyFile } from '../../src/access/key-file.ts';
import { barriers, colouredFiles, openWindow, startBrowser } from './browser.ts';
import { hasNginx, type Nginx, startNginx } from './nginx.ts';

/** Headers of a proxy that says for whom it asks. */
const FORWARDED =
  'proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Host $http_host; ' +
  'proxy_set_header X-Forwarded-Proto $scheme;';

let folder: string;
let server: ServerProcess;
let browser: Browser;
let key: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-proxy-'));
  key = (await new KeyFile(join(folder, 'data')).create('browser', 'teach')).key;
  server = await startServer(join(folder, 'data'), { BASE_PATH: '/zoo', TRUST_PROXY: 'true' });
  await untilReady(server);
  browser = await startBrowser();
});
afterAll(async () => {
  await browser?.close();
  server?.child.kill('SIGTERM');
  await server?.exit;
  await rm(folder, { recursive: true, force: true });
});

/** Runs in a window of its own, whose requests may not fail for a reason that the page would not show. */
async function inWindow(use: (page: Page) => Promise<void>): Promise<void> {
  const page = await openWindow(browser);
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('response', (response) => {
    if (response.status() >= 400 && response.status() !== 401) faults.push(`${response.status()} ${response.url()}`);
  });
  await use(page);
  await page.context().close();
  expect(faults).toEqual([]);
}

async function signIn(page: Page): Promise<void> {
  await page.getByRole('textbox', { name: 'Key' }).fill(key);
  await page.getByRole('button', { name: 'Use this key' }).click();
  await page.getByText('Key “browser” (teach)').waitFor();
}

describe('the page of a server with keys', () => {
  test('asks for a key once, and says when it is wrong', async () => {
    await inWindow(async (page) => {
      await page.goto(`${server.url}/zoo/#/zoo`);
      await page.getByRole('textbox', { name: 'Key' }).fill('mng_wrong');
      await page.getByRole('button', { name: 'Use this key' }).click();
      await page.getByText('The key is not valid').waitFor();
      expect(await barriers(page)).toEqual([]);
      await signIn(page);
      await page
        .getByRole('link', { name: /ResNet-18/ })
        .first()
        .waitFor();
      await page.reload();
      await page.getByText('Key “browser” (teach)').waitFor();
      // Scripts of the page cannot read it.
      expect(
        await page.evaluate(() => document.cookie + JSON.stringify({ ...sessionStorage, ...localStorage })),
      ).not.toContain('mng_');

      await page.getByRole('button', { name: 'Forget the key' }).click();
      await page.getByRole('button', { name: 'Use this key' }).waitFor();
    });
  });

  test('keeps no key where a model is kept for use without a connection', async () => {
    await inWindow(async (page) => {
      await page.goto(`${server.url}/zoo/edge#/?model=resnet18_slim.tiny200`);
      await signIn(page);
      await page.getByText('This page is kept').waitFor();
      await page.getByRole('button', { name: 'Remove resnet18_slim.tiny200' }).waitFor();
      // The files are looked through where they are: they are large.
      const kept = await page.evaluate(async (secret) => {
        const names = await caches.keys();
        const all = await Promise.all(names.map(async (name) => (await caches.open(name)).matchAll()));
        const texts = all.flat().map(async (each) => [...each.headers].flat().join(' ') + (await each.text()));
        return (await Promise.all(texts)).map((text) => text.includes(secret) || text.includes('set-cookie'));
      }, key);
      expect(kept.length).toBeGreaterThan(10);
      expect(kept).not.toContain(true);
      const scopes = await page.evaluate(async () =>
        (await navigator.serviceWorker.getRegistrations()).map(({ scope }) => new URL(scope).pathname),
      );
      expect(scopes).toEqual(['/zoo/edge']);
    });
  });
});

describe.skipIf(!hasNginx)('behind nginx, where /usr/sbin/nginx is installed', () => {
  let nginx: Nginx;
  beforeAll(async () => {
    nginx = await startNginx(folder, [
      // Host and path as they came.
      `location /zoo/ { proxy_pass ${server.url}; proxy_set_header Host $http_host; ${FORWARDED} }`,
      // What nginx does unless it is told otherwise: Host is that of the server. The prefix is taken off.
      `location /zoo/ { proxy_pass ${server.url}/; ${FORWARDED} }`,
    ]);
  });
  afterAll(() => nginx?.close());

  test.each([
    ['Host and prefix are kept', 0],
    ['Host is changed, and the prefix is taken off', 1],
  ])('%s: the page signs in, classifies and teaches with progress', async (_, index) => {
    const url = `${nginx.urls[index]}/zoo/`;
    await inWindow(async (page) => {
      await page.goto(url);
      await signIn(page);
      await page
        .locator('main input[type=file]')
        .first()
        .setInputFiles(await colouredFiles('red', 'red.png'));
      await page.locator('.card .first').waitFor();

      const name = `nginx${index}`;
      await page.getByRole('navigation').getByRole('link', { name: 'Teach' }).click();
      await page.getByRole('heading', { name: 'Teach a model your own classes' }).waitFor();
      const zip = { name: 'colours.zip', mimeType: 'application/zip', buffer: await colourZip() };
      await page.locator('.drop input[type=file]').setInputFiles(zip);
      await page.getByRole('table', { name: /36 images/ }).waitFor();
      const streamed = page.waitForResponse((response) => response.url().endsWith('/events'));
      await page.getByLabel('Model name').fill(name);
      await page.getByRole('button', { name: 'Train' }).click();
      expect((await streamed).url()).toMatch(new RegExp(`^${url}jobs/`));
      await page.getByRole('heading', { name: `${name}, version 1` }).waitFor();
      await page.locator('.api summary').click();
      await page.locator('.api code').first().getByText(`${url}`).waitFor();
    });
    const log = server.log();
    expect(log).toMatch(
      new RegExp(`"audit":true,.*"name":"browser".*"action":"POST /finetune","subject":.*nginx${index}`),
    );
  });

  test('the documentation takes the key, and tries operations under the prefix', async () => {
    const url = `${nginx.urls[0]}/zoo`;
    await inWindow(async (page) => {
      await page.goto(`${url}/docs`);
      await page.getByRole('button', { name: 'Authorize' }).first().click();
      await page.getByLabel('auth-bearer-value').fill(key);
      await page.locator('.modal-ux').getByRole('button', { name: 'Apply credentials' }).first().click();
      await page.locator('.modal-ux .close-modal').click();
      const operation = page.locator('#operations-Models-listModels');
      await operation.locator('.opblock-summary-control').click();
      const answered = page.waitForResponse((response) => response.url().endsWith('/models'));
      await operation.getByRole('button', { name: 'Execute' }).click();
      const answer = await answered;
      expect([answer.url(), answer.status(), answer.request().headers()['authorization']]).toEqual([
        `${url}/models`,
        200,
        `Bearer ${key}`,
      ]);
    });
  });
});
