import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { compiledEntry } from '../common/compiled-entry.ts';
import { messageOf } from '../common/errors.ts';

/** What ONNX Runtime may compute on. Which of them its library has differs from system to system. */
export const EXECUTION_PROVIDERS = ['cpu', 'cuda', 'webgpu', 'dml', 'coreml'] as const;
export type ExecutionProvider = (typeof EXECUTION_PROVIDERS)[number];

/** Milliseconds in which a provider must compute the smallest model. Drivers of graphics cards take seconds to begin. */
const CHECK_TIMEOUT_MS = 60_000;

/** What the process that checks a provider found. `reason` is why it cannot be used. */
const checkSchema = z.object({ listed: z.array(z.string()), reason: z.string().optional() });
export type ProviderCheck = z.output<typeof checkSchema>;

/** What each provider needs that comes with no package. */
const NEEDS: Readonly<Record<ExecutionProvider, string>> = {
  cpu: 'nothing',
  cuda: 'an NVIDIA driver, CUDA 12 and cuDNN 9',
  webgpu:
    'a graphics card with a driver of Vulkan, Direct3D 12 or Metal (on Debian, libvulkan1 and the driver of the card)',
  dml: 'Windows, and a graphics card with a driver of Direct3D 12',
  coreml: 'macOS',
};

/**
 * Makes sure that a provider computes here. A process of its own tries it, since drivers may crash.
 * @throws Error that says why it does not, and what to install
 */
export async function requireExecutionProvider(provider: ExecutionProvider): Promise<void> {
  // Every library has it.
  if (provider === 'cpu') return;
  const problem = providerProblem(provider, await check(provider), libraryFolder());
  if (problem !== undefined) throw new Error(problem);
}

/**
 * Why a provider cannot be used, and what to install; undefined when it can.
 * @param folder of the library of ONNX Runtime
 */
export function providerProblem(
  provider: ExecutionProvider,
  { listed, reason }: ProviderCheck,
  folder: string,
): string | undefined {
  const setting = `EXECUTION_PROVIDER=${provider}`;
  if (!listed.includes(provider)) {
    const system = `${process.platform} ${process.arch}`;
    return `${setting}: ONNX Runtime has no such provider on ${system}; it has ${listed.join(', ')}`;
  }
  if (reason === undefined) return undefined;
  const libraries =
    provider === 'cuda'
      ? ', and the libraries that npm does not have: "npm install onnxruntime-node@1.30 --onnxruntime-node-install=cuda12" ' +
        'in an empty folder downloads them to node_modules/onnxruntime-node/bin; copy libonnxruntime_providers_*.so from ' +
        `there to ${folder}`
      : provider === 'dml' || (provider === 'webgpu' && process.platform === 'win32')
        ? `, and the .dll files of onnxruntime-node 1.30 from npm, beside those in ${folder}`
        : '';
  // ONNX Runtime puts the place in its code before the reason, and lines after it.
  const why = reason
    .replace(/^.* was false\. /s, '')
    .trim()
    .replace(/\s+/g, ' ');
  return `${setting} cannot be used (${why}). It needs ${NEEDS[provider]}${libraries}`;
}

async function check(provider: ExecutionProvider): Promise<ProviderCheck> {
  const script = compiledEntry(import.meta.url, 'execution-provider-child.js');
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [script, provider], { timeout: CHECK_TIMEOUT_MS });
    return checkSchema.parse(JSON.parse(stdout.split('\n').at(-1) ?? ''));
  } catch (thrown) {
    return { listed: [provider], reason: `the process that tried it failed: ${messageOf(thrown).split('\n')[0]}` };
  }
}

function libraryFolder(): string {
  const main = createRequire(import.meta.url).resolve('onnxruntime-node');
  return join(dirname(main), '..', 'bin', 'napi-v6', process.platform, process.arch);
}
