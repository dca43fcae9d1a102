import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

/** What a page did that it must not: errors in its console, and requests to anybody but its server. */
export interface Watched {
  readonly page: Page;
  readonly faults: string[];
}

/** Starts the browser that CHROMIUM names, with a camera that shows a test picture. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'],
  });
}

/** Opens the page in a window of its own and watches what it does. */
export async function openPage(browser: Browser, url: string): Promise<Watched & { context: BrowserContext }> {
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, reducedMotion: 'reduce' });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('request', (request) => {
    const address = request.url();
    if (!address.startsWith(url) && !/^(blob|data):/.test(address)) faults.push(`a request to ${address}`);
  });
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' && /Content Security Policy/.test(message.text())) faults.push(message.text());
  });
  await page.goto(url);
  return { page, faults, context };
}
