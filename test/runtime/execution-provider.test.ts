import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
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
afterEach(() => vi.unstubAllEnvs());

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

  it.each([
    [
      'throws',
      "throw new Error('libcuda.so.1: cannot open shared object file')",
      'ended with code 1: libcuda.so.1: cannot open shared object file)',
    ],
    [
      'crashes',
      "console.error('loading\\nCUDA failure 35: driver too old\\nAborted'); process.kill(process.pid, 'SIGKILL')",
      'was ended by SIGKILL: CUDA failure 35: driver too old)',
    ],
    [
      'logs which library is missing',
      `const { Module } = require('node:module');
       const load = Module._load;
       const create = async () => {
         console.error('\\x1b[1;31m2026-01-01 00:00:00.1 [E:onnxruntime:, bridge.cc:9 Ensure] Failed to load /opt/cuda/libcublas.so.12\\x1b[m');
         throw new Error('/a/bridge.cc:7 Get() [ONNXRuntimeError] : 1 : FAIL : Failed to load shared library');
       };
       const fake = { listSupportedBackends: () => [{ name: 'cuda' }], InferenceSession: { create } };
       Module._load = (name, ...more) => (name === 'onnxruntime-node' ? fake : load(name, ...more));`,
      '(Failed to load shared library; Failed to load libcublas.so.12)',
    ],
  ])('whose library %s is refused with the reason that it printed, and what to install', async (_what, code, told) => {
    const path = join(folder, 'library.cjs');
    await writeFile(path, code);
    vi.stubEnv('NODE_OPTIONS', `--require ${path}`);
    const refused = requireExecutionProvider('cuda');
    await expect(refused).rejects.toThrow(told);
    await expect(refused).rejects.toThrow(
      /^EXECUTION_PROVIDER=cuda cannot be used \(.{1,300}\)\. It needs an NVIDIA driver/,
    );
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
