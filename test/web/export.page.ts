import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { preprocessImage } from '../../src/image/preprocess.ts';
import { parseLabels } from '../../src/registry/labels.ts';
import { parseManifest } from '../../src/registry/resolve-manifest.ts';
import type { ClassifyAnswer } from '../e2e/answers.ts';
import { EMBEDDED, goldenPictures } from '../golden/pictures.ts';
import { readZip } from '../zip-reader.ts';
import { serverUrl, startBrowser } from './browser.ts';

/** A page with the published TensorFlow.js, and a script that calls it. */
const PAGE = `<!doctype html><script src="/tf.min.js"></script><script>
async function classify(url, base64, shape) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const model = await tf.loadLayersModel(url);
  const outputs = model.predict(tf.tensor(bytes, shape, 'float32'));
  const probabilities = await outputs[model.outputNames.indexOf('probabilities')].data();
  return [...probabilities];
}
</script>`;

describe('an exported TF.js model in another page', () => {
  const server = serverUrl();
  let browser: Browser;
  let page: Page;
  /** The web server of somebody who downloaded the model. */
  let host: Server;
  let origin: string;
  const hosted = new Map<string, Buffer>();

  beforeAll(async () => {
    hosted.set('/', Buffer.from(PAGE));
    hosted.set('/tf.min.js', await readFile('node_modules/@tensorflow/tfjs/dist/tf.min.js'));
    host = createServer(({ url = '' }, response) => {
      const content = hosted.get(url);
      response.writeHead(content === undefined ? 404 : 200, {
        'Content-Type': url === '/' ? 'text/html' : 'application/octet-stream',
      });
      response.end(content);
    }).listen(0, '127.0.0.1');
    browser = await startBrowser();
    origin = `http://127.0.0.1:${(host.address() as AddressInfo).port}`;
    page = await browser.newPage();
    await page.goto(origin);
  });

  afterAll(async () => {
    await browser?.close();
    host?.close();
  });

  /** Serves the content of the zip, as if it had been unpacked into the folder of a web server. */
  async function hostExport(model: string, quantize: string): Promise<string> {
    const response = await fetch(`${server}/models/${model}/export?format=tfjs&quantize=${quantize}`);
    expect(response.status).toBe(200);
    const folder = `/${model}-${quantize}`;
    for (const [name, bytes] of await readZip(Buffer.from(await response.arrayBuffer()))) {
      hosted.set(`${folder}/${name}`, bytes);
    }
    return `${origin}${folder}/model.json`;
  }

  it.each([
    [EMBEDDED[0], 'float32', 1e-3],
    [EMBEDDED[0], 'float16', 1e-2],
    [EMBEDDED[0], 'uint8', 1e-1],
    [EMBEDDED[1], 'float32', 1e-3],
    [EMBEDDED[2], 'float32', 1e-3],
  ] as const)('%s in %s answers as the server does', async (model, quantize, tolerance) => {
    const url = await hostExport(model, quantize);
    const [picture] = await goldenPictures(model);
    const png = picture?.png ?? Buffer.alloc(0);
    const manifest = parseManifest(await readFile(`zoo/${model}/manifest.json`, 'utf8'), () =>
      parseLabels(readFileSync('zoo/labels/tiny200.json', 'utf8')),
    );
    const { pixels } = await preprocessImage(png, manifest.preprocessing, 1e6);
    const call = [url, Buffer.from(pixels).toString('base64'), [1, 64, 64, 3]];
    const probabilities: number[] = await page.evaluate(`classify(...${JSON.stringify(call)})`);
    const response = await fetch(`${server}/classify?model=${model}`, {
      method: 'POST',
      headers: { 'content-type': 'image/png' },
      body: new Uint8Array(png),
    });
    const { results } = (await response.json()) as ClassifyAnswer;
    const predictions = results[0]?.predictions ?? [];
    expect(predictions).toHaveLength(5);
    for (const { index, score } of predictions) {
      expect(Math.abs((probabilities[index] ?? Number.NaN) - score)).toBeLessThan(tolerance);
    }
  });
});
