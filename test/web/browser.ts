import axe from 'axe-core';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject } from 'vitest';
import { colouredPicture } from '../../scripts/labelled-zip.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The URLs of the servers, one for each worker. */
    serverUrls: readonly string[];
  }
}

/** The page in a window, for one test. */
export interface OpenPage {
  readonly page: Page;
  readonly url: string;
}

type Colour = Parameters<typeof colouredPicture>[0];

/** The server that the files of this worker share, one after the other. */
export function serverUrl(): string {
  const url = inject('serverUrls')[Number(process.env['VITEST_POOL_ID']) - 1];
  if (url === undefined) throw new Error('this worker has no server');
  return url;
}

/** Starts the browser at the path in CHROMIUM, with a camera that shows a test image. @param switches more of its own */
export function startBrowser(...switches: string[]): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', ...switches],
  });
}

/** A page in a window of its own. What its steps wait for comes when the machine has time: the bound only ends what hangs. */
export async function openWindow(browser: Browser, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext({ reducedMotion: 'reduce', ...options });
  context.setDefaultTimeout(100_000);
  return context.newPage();
}

/**
 * Opens the page before each test of a suite and closes it afterwards. A test fails when the page violates its content
 * security policy, throws, or sends a request to another server.
 */
export function withPage(hash: string): OpenPage {
  const url = serverUrl();
  let browser: Browser;
  let page: Page;
  let faults: string[];

  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser.close());

  beforeEach(async () => {
    page = await openWindow(browser, { viewport: { width: 1200, height: 900 } });
    faults = watch(page, url);
    await page.goto(url + hash);
  });
  afterEach(async () => {
    // A request that a test answers may still wait for the server.
    await page.unrouteAll({ behavior: 'ignoreErrors' });
    await page.context().close();
    expect(faults).toEqual([]);
  });
  return {
    url,
    get page() {
      return page;
    },
  };
}

/** Everything that axe finds, whatever its weight. */
export async function barriers(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run());
  return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(' ')}`);
}

/** What axe finds in light and in dark colours. */
export async function barriersInBothColours(page: Page): Promise<string[]> {
  const found: string[] = [];
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    for (const barrier of await barriers(page)) found.push(`in ${colorScheme} colours: ${barrier}`);
  }
  return found;
}

/** Images of one colour, as files to choose. */
export function colouredFiles(colour: Colour, ...names: string[]) {
  return Promise.all(
    names.map(async (name, index) => ({ name, mimeType: 'image/png', buffer: await colouredPicture(colour, index) })),
  );
}

function watch(page: Page, url: string): string[] {
  const faults: string[] = [];
  page.on('request', (request) => {
    const address = request.url();
    if (!address.startsWith(url) && !/^(blob|data):/.test(address)) faults.push(`a request to ${address}`);
  });
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' && message.text().includes('Content Security Policy')) faults.push(message.text());
  });
  return faults;
}
