import { execFile } from 'node:child_process';
import { cpSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zoo-'));
});

afterAll(() => rm(folder, { recursive: true }));

/** Runs `npm run zoo -- ...` without the compiler, which has run already. */
async function zoo(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const environment = { ...process.env, DATA_DIR: folder, HF_ENDPOINT: 'http://127.0.0.1:9' };
  const running = promisify(execFile)(process.execPath, ['dist/scripts/zoo.js', ...args], { env: environment });
  return running.then((done) => ({ code: 0, ...done }));
}

const failing = (...args: string[]) => zoo(...args).catch((thrown) => thrown as Awaited<ReturnType<typeof zoo>>);

describe('npm run zoo --', () => {
  test('lists the commands when there is none', async () => {
    const { code, stderr } = await failing();
    expect(code).toBe(2);
    for (const command of ['list', 'pull', 'verify', 'convert', 'import', 'remove', 'gc']) {
      expect(stderr).toMatch(new RegExp(`^ {2}${command}\\b`, 'm'));
    }
  });

  test('list is a table that fits a terminal', async () => {
    const lines = (await zoo('list')).stdout.split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(lines[0]).toMatch(/^model +here +top-1/);
    expect(lines.find((line) => line.startsWith('resnet18_slim.tiny200'))).toMatch(/embedded +45\.9 +2\.8 M +5\.7 /);
    expect(lines.find((line) => line.startsWith('resnet50.tv_in1k'))).toMatch(/ - +76\.2 +25\.6 M +102\.5 /);
  });

  test('pull without a network says in one line what to download and where to put it', async () => {
    const { code, stderr } = await failing('pull', 'resnet18.tv_in1k');
    expect(code).toBe(1);
    expect(stderr.trim()).toMatch(
      /^127\.0\.0\.1:9 cannot be reached \(ECONNREFUSED\): fetch https:\S+ elsewhere and put it here as \S+model\.safetensors$/,
    );
  });

  test('verify finds damaged weights, remove removes them, gc frees space', async () => {
    const place = join(folder, 'zoo', 'resnet18_slim.tiny200');
    cpSync('zoo/resnet18_slim.tiny200', place, { recursive: true });
    await writeFile(join(place, 'weights.safetensors'), 'damaged');
    const { code, stdout } = await failing('verify');
    expect(code).toBe(1);
    expect(stdout).toContain('ok     vgg11_bn_slim.tiny200\n');
    expect(stdout).toMatch(/^wrong {2}resnet18_slim\.tiny200: SHA-256 is [0-9a-f]{64}, should be e1794474/m);
    expect((await zoo('remove', 'resnet18_slim.tiny200')).stdout).toContain('removed');
    expect((await zoo('gc')).stdout).toContain('MB freed');
  });
});
