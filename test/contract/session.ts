import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DamagedFileError, digestFile } from '../../src/common/file-digest.ts';
import type { PixelTensor } from '../../src/common/tensor.ts';
import { openSession } from '../../src/runtime/open-session.ts';
import type { Session, SessionSource } from '../../src/runtime/session.ts';
import { plainImage, writeColourModel } from '../colour-model.ts';

/** The contract of sessions, for every runtime and backend. */
export function describeSession(
  name: string,
  source: Omit<SessionSource, 'path'>,
  open: (source: SessionSource) => Promise<Session> = openSession,
): void {
  describe(name, () => {
    let folder: string;
    let opened: SessionSource;
    let session: Session;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'menagerie-session-'));
      const paths = await writeColourModel(folder);
      opened = { ...source, path: paths[source.runtime] };
      session = await open(opened);
    });
    afterAll(async () => {
      await session?.close();
      await rm(folder, { recursive: true });
    });

    it('says which runtime and backend computes', () => {
      expect(session.runtime).toBe(source.runtime);
      expect(session.backend).toBe(source.backend ?? 'cpu');
      expect(session.version).toMatch(/^\d+\.\d+/);
    });

    it('is not opened when a file has another digest than expected', async () => {
      const { path } = opened;
      const files = [{ path, sha256: (await digestFile(path)).sha256 }];
      await (await openSession({ ...opened, files })).close();
      const damaged = openSession({ ...opened, files: [{ path, sha256: '0'.repeat(64) }] });
      await expect(damaged).rejects.toThrow(DamagedFileError);
      const missing = openSession({ ...opened, files: [{ path: `${path}.gone`, sha256: '' }] });
      await expect(missing).rejects.toThrow(DamagedFileError);
    });

    it('computes each image of a batch separately, in order', async () => {
      const { features, logits } = await session.run(batch([255, 0, 0], [0, 51, 102]), ['features', 'logits']);
      expect(features?.shape).toEqual([2, 3]);
      expectClose(features?.data, [1, 0, 0, 0, 0.2, 0.4]);
      expectClose(logits?.data, [4, 0, 0, 0, 0.8, 1.6]);
    });

    it('gives probabilities that follow from the logits and add up to 1', async () => {
      const { probabilities } = await session.run(batch([255, 0, 0]), ['probabilities']);
      const total = Math.exp(4) + 2;
      expect(probabilities?.shape).toEqual([1, 3]);
      expectClose(probabilities?.data, [Math.exp(4) / total, 1 / total, 1 / total]);
    });

    it('gives activations with the channels last', async () => {
      const { activations } = await session.run(batch([255, 0, 51]), ['activations']);
      expect(activations?.shape).toEqual([1, 4, 4, 3]);
      expectClose(activations?.data.slice(-3), [1, 0, 0.2]);
    });

    it('computes only the outputs that are asked for', async () => {
      const answer = await session.run(batch([1, 2, 3]), ['features', 'activations']);
      expect(Object.keys(answer).sort()).toEqual(['activations', 'features']);
    });

    it('takes batches of any size, one after the other', async () => {
      for (const size of [1, 7, 2]) {
        const images = Array.from({ length: size }, (): [number, number, number] => [0, 255, 0]);
        const { logits } = await session.run(batch(...images), ['logits']);
        expect(logits?.shape).toEqual([size, 3]);
        expectClose(logits?.data.slice(-3), [0, 4, 0]);
      }
    });

    it('refuses pixels that do not fit, and goes on', async () => {
      const image = plainImage([0, 0, 0]);
      await expect(session.run({ data: image, shape: [1, 2, 8, 3] }, ['logits'])).rejects.toThrow('the model takes');
      await expect(session.run({ data: image, shape: [2, 4, 4, 3] }, ['logits'])).rejects.toThrow('do not fill');
      await expect(session.run({ data: image, shape: [0, 4, 4, 3] }, ['logits'])).rejects.toThrow('n >= 1');
      await expect(session.run(batch([9, 9, 9]), ['logits'])).resolves.toBeDefined();
    });

    it('does not open a file that is no model', async () => {
      const path = new URL('../vitest.config.ts', import.meta.url).pathname;
      await expect(open({ ...source, path })).rejects.toThrow();
    });
  });
}

function batch(...colours: readonly [number, number, number][]): PixelTensor {
  const images = colours.map((colour) => plainImage(colour));
  return { data: Uint8Array.from(Buffer.concat(images)), shape: [colours.length, 4, 4, 3] };
}

function expectClose(actual: Float32Array | undefined, expected: readonly number[]): void {
  expect(actual?.length).toBe(expected.length);
  for (const [index, value] of expected.entries()) expect(actual?.[index]).toBeCloseTo(value, 5);
}
