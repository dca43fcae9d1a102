import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { colourZip } from '../../scripts/labelled-zip.ts';
import { EMBEDDED, goldenPictures } from '../golden/pictures.ts';

let folder: string;
let photo: Buffer;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-examples-'));
  env = { ...process.env, DATA_DIR: join(folder, 'data') };
  photo = (await goldenPictures(EMBEDDED[0]))[0]?.png ?? Buffer.alloc(0);
  await writeFile(join(folder, 'photo.png'), photo);
  await writeFile(join(folder, 'text.jpg'), 'no picture');
  await writeFile(join(folder, 'colours.zip'), await colourZip(6));
});

afterAll(() => rm(folder, { recursive: true }));

const run = (example: string, ...args: string[]) =>
  promisify(execFile)(process.execPath, [`dist/scripts/examples/${example}.js`, ...args], { env });

/** One after the other: each starts engines of its own. The first converts the default model for all. */
describe('the example', () => {
  test('batch prints a line for each image, and which ones cannot be read', async () => {
    const { stdout, stderr } = await run('batch', folder);
    expect(stdout).toMatch(/^file,label,score\nphoto\.png,"[^"]+",0\.\d{3}\n$/);
    expect(stderr).toMatch(/^text\.jpg: The file is text; send JPEG/);
  });

  test('teach shows its phases and what came of it', async () => {
    const { stdout, stderr } = await run('teach', join(folder, 'colours.zip'), 'colours');
    expect(stderr).toBe('');
    expect(stdout).toContain('training ...\n');
    expect(stdout).toMatch(/^colours, version 1: accuracy /m);
  });

  test('express-route answers in its own words, and mounts the server', async () => {
    const child = spawn(process.execPath, ['dist/scripts/examples/express-route.js', '0'], { env });
    try {
      const url = await listeningUrl(child);
      const what = await fetch(`${url}/what`, {
        method: 'POST',
        headers: { 'content-type': 'image/png' },
        body: new Uint8Array(photo),
      });
      expect(await what.json()).toHaveLength(3);
      const text = await fetch(`${url}/what`, { method: 'POST', headers: { 'content-type': 'image/png' }, body: 'no' });
      expect([text.status, await text.json()]).toEqual([415, { code: 'unsupported_image' }]);
      const form = new FormData();
      form.append('dataset', new Blob(['no zip']), 'colours.zip');
      form.append('name', 'x');
      const refused = await fetch(`${url}/zoo/finetune`, { method: 'POST', body: form });
      expect(refused.status).toBe(415);
      const page = await fetch(`${url}/zoo`, { redirect: 'manual' });
      expect([page.status, page.headers.get('location')]).toEqual([308, '/zoo/']);
      expect((await fetch(`${url}/zoo/v2/health/live`)).status).toBe(200);
    } finally {
      child.kill('SIGTERM');
    }
    expect(await once(child, 'exit')).toEqual([0, null]);
  });
});

async function listeningUrl({ stdout, stderr }: ChildProcess): Promise<string> {
  const errors: string[] = [];
  stderr?.on('data', (chunk) => errors.push(String(chunk)));
  if (stdout === null) throw new Error('the example has no output');
  for await (const line of createInterface(stdout)) {
    const url = /http:\/\/\S+/.exec(line)?.[0];
    if (url !== undefined) return url;
  }
  throw new Error(`the example ended: ${errors.join('')}`);
}
