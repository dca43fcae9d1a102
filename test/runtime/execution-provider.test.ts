import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startServer } from '../../scripts/server-process.ts';
import { providerProblem, requireExecutionProvider } from '../../src/runtime/execution-provider.ts';
import { openSession } from '../../src/runtime/open-session.ts';
import { writeColourModel } from '../colour-model.ts';

/** One that no library of this system has. */
const ABSENT = process.platform === 'win32' ? 'coreml' : 'dml';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-provider-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('an execution provider', () => {
  it('is tried before it is used: the processor always computes', async () => {
    await requireExecutionProvider('cpu');
  });

  it('that the library of this system does not have is refused, with those that it has', async () => {
    await expect(requireExecutionProvider(ABSENT)).rejects.toThrow(
      new RegExp(`EXECUTION_PROVIDER=${ABSENT}: ONNX Runtime has no such provider on ${process.platform} .*it has cpu`),
    );
  });

  it('that does not work is refused at the start, with what it needs', async () => {
    const start = startServer(folder, { EXECUTION_PROVIDER: ABSENT });
    await expect(start).rejects.toThrow(`menagerie cannot start: EXECUTION_PROVIDER=${ABSENT}`);
  });

  it.each([
    ['cuda', ['CUDA 12', '--onnxruntime-node-install=cuda12', 'to /the/library']],
    ['webgpu', ['Vulkan', 'no adapter']],
  ] as const)('%s that fails is refused with the reason and what to install', (provider, words) => {
    const problem = providerProblem(
      provider,
      { listed: ['cpu', provider], reason: '/a/b.cc:136 x == y was false. no\nadapter\n' },
      '/the/library',
    );
    for (const word of words) expect(problem).toContain(word);
    expect(providerProblem(provider, { listed: ['cpu', provider] }, '/the/library')).toBeUndefined();
  });

  it('is what a session computes on', async () => {
    const { onnx: path } = await writeColourModel(folder);
    const session = await openSession({ runtime: 'onnx', path, threads: 1 });
    expect(session.backend).toBe('cpu');
    await session.close();
    // Not silently the processor instead.
    await expect(openSession({ runtime: 'onnx', path, threads: 1, provider: ABSENT })).rejects.toThrow(ABSENT);
  });
});
