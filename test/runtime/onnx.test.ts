import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { DamagedFileError, digestFile, type FileDigest } from '../../src/common/file-digest.ts';
import { openSession } from '../../src/runtime/open-session.ts';
import type { Session } from '../../src/runtime/session.ts';
import { plainImage, writeColourModel } from '../colour-model.ts';
import { describeSession } from '../contract/session.ts';

describeSession('a session of ONNX Runtime', { runtime: 'onnx', threads: 1 });

test.each([
  ['runtime/onnx.js', 'openOnnxSession'],
  ['finetuning/features/session-thread.js', 'openSessionThread'],
])('%s keeps ONNX Runtime from reporting its use', async (module, open) => {
  const folder = await mkdtemp(join(tmpdir(), 'menagerie-silent-'));
  const { onnx: path } = await writeColourModel(folder);
  const home = await mkdtemp(join(folder, 'home-'));
  const program = join(folder, 'open.mjs');
  const code = `const session = await (await import('${resolve('dist/src', module)}')).${open}({ runtime: 'onnx',
    path: '${path}', threads: 1 }); await session.close();`;
  await writeFile(program, code);
  // The runtime would complain that there is no folder for its identifier, and write a file into the current one.
  const env = { ...process.env, HOME: '/dev/null/nowhere', XDG_CACHE_HOME: '', ORT_DISABLE_TELEMETRY: undefined };
  const { status, stderr } = spawnSync(process.execPath, [program], {
    cwd: home,
    env,
    encoding: 'utf8',
  });
  expect([status, stderr, await readdir(home)]).toEqual([0, '', []]);
  await rm(folder, { recursive: true });
});

describe('an explanation', () => {
  let folder: string;
  let path: string;
  let explanation: FileDigest;
  let session: Session;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'menagerie-explained-'));
    ({ onnx: path } = await writeColourModel(folder));
    const explanationPath = join(dirname(path), 'explanation.onnx');
    explanation = { path: explanationPath, sha256: (await digestFile(explanationPath)).sha256 };
    session = await openSession({ runtime: 'onnx', path, explanation, threads: 1 });
  });
  afterAll(async () => {
    await session?.close();
    await rm(folder, { recursive: true });
  });

  /** Half red, half blue: each class is found where its colour is. */
  const halves = () => {
    const [red, blue] = [plainImage([255, 0, 0]), plainImage([0, 0, 255])];
    return { data: red.map((value, index) => (index < 24 ? value : (blue[index] ?? 0))), shape: [1, 4, 4, 3] };
  };

  it('is about the class that is asked for, for each image', async () => {
    const image = halves();
    const twice = { data: Uint8Array.from([...image.data, ...image.data]), shape: [2, 4, 4, 3] };
    const { explanation, logits } = await session.run(twice, ['explanation', 'logits'], [0, 2]);
    expect(explanation?.shape).toEqual([2, 4, 4]);
    // A quarter for each of the 8 cells of the colour; their sum is the logit, 2.
    const [top, bottom] = [Array<number>(8).fill(0.25), Array<number>(8).fill(0)];
    expect([...(explanation?.data ?? [])]).toEqual([...top, ...bottom, ...bottom, ...top]);
    expect(logits?.data[0]).toBeCloseTo(2, 5);
  });

  it('is about the most probable class when none is given', async () => {
    const green = { data: plainImage([0, 255, 0]), shape: [1, 4, 4, 3] };
    const { explanation } = await session.run(green, ['explanation']);
    expect([...(explanation?.data ?? [])]).toEqual(Array(16).fill(0.25));
  });

  it('fails in a session that was opened without an explanation model', async () => {
    const plain = await openSession({ runtime: 'onnx', path, threads: 1 });
    await expect(plain.run(halves(), ['explanation'])).rejects.toThrow('the model cannot be explained');
    await plain.close();
  });

  it('fails while its model is damaged, and works after a repair', async () => {
    const sound = await readFile(explanation.path);
    const damaged = await openSession({ runtime: 'onnx', path, explanation, threads: 1 });
    await writeFile(explanation.path, sound.subarray(1));
    await expect(damaged.run(halves(), ['explanation'])).rejects.toThrow(DamagedFileError);
    await writeFile(explanation.path, sound);
    expect(await damaged.run(halves(), ['explanation'])).toHaveProperty('explanation');
    await damaged.close();
  });
});
