import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify, stripVTControlCharacters } from 'node:util';
import { z } from 'zod';
import { compiledEntry } from '../common/compiled-entry.ts';
import { messageOf } from '../common/errors.ts';

/** What ONNX Runtime may compute on. Which of them its library has differs from system to system. */
export const EXECUTION_PROVIDERS = ['cpu', 'cuda', 'webgpu', 'dml', 'coreml'] as const;
export type ExecutionProvider = (typeof EXECUTION_PROVIDERS)[number];

/** Milliseconds in which a provider must compute the smallest model. Drivers of graphics cards take seconds to begin. */
const CHECK_TIMEOUT_MS = 60_000;

/** The most characters that are told of what a library has printed. */
const MAX_PRINTED = 300;
/** What precedes the reason in the texts of ONNX Runtime: the time and level of a line of its log, the place in its code. */
const PLACES = [
  /^.*\[[EF]:onnxruntime[^\]]*\] /,
  /^.* was false\. /,
  /^.*\[ONNXRuntimeError\] : \d+ : \w+ : /,
  /^Warning: /,
];

/** How the process ended that checks a provider, where it found nothing: an error of `execFile`. */
const failureSchema = z.object({
  killed: z.boolean().nullish(),
  signal: z.string().nullish(),
  code: z.union([z.number(), z.string()]).nullish(),
  stderr: z.string().default(''),
});

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
  return `${setting} cannot be used (${withoutPlace(reason)}). It needs ${NEEDS[provider]}${libraries}`;
}

async function check(provider: ExecutionProvider): Promise<ProviderCheck> {
  const script = compiledEntry(import.meta.url, 'execution-provider-child.js');
  try {
    const ran = await promisify(execFile)(process.execPath, [script, provider], { timeout: CHECK_TIMEOUT_MS });
    const { listed, reason } = checkSchema.parse(JSON.parse(ran.stdout.split('\n').at(-1) ?? ''));
    // Of a library that cannot be loaded, only the failure is thrown; which one it was, and why, is printed.
    const printed = ran.stderr.split('\n').find((line) => /\[[EF]:onnxruntime|cannot open shared object/.test(line));
    if (reason === undefined || printed === undefined) return { listed, ...(reason !== undefined && { reason }) };
    return { listed, reason: `${withoutPlace(reason)}; ${withoutPlace(printed).slice(0, MAX_PRINTED)}` };
  } catch (thrown) {
    return { listed: [provider], reason: `the process that tried it ${howItEnded(thrown)}` };
  }
}

/** How the process ended, and what it printed about it. */
function howItEnded(thrown: unknown): string {
  const { killed, signal, code, stderr } = failureSchema.parse(thrown);
  const ended = killed
    ? `did not end in ${CHECK_TIMEOUT_MS / 1_000} s`
    : signal
      ? `was ended by ${signal}`
      : typeof code === 'number'
        ? `ended with code ${code}`
        : `failed: ${messageOf(thrown)}`;
  const printed = printedReason(stderr);
  return printed === undefined ? ended : `${ended}: ${printed}`;
}

/** The line that says why a process failed, of all that it printed: the error of Node.js, or what most looks like one. */
function printedReason(stderr: string): string | undefined {
  const lines = stderr
    .split('\n')
    .map(withoutPlace)
    .filter((line) => line !== '' && !/^(?:at |Node\.js v)/.test(line));
  const line =
    lines.find((each) => /^\w*Error: /.test(each)) ??
    lines.find((each) => /error|fail|cannot|could not/i.test(each)) ??
    lines.at(-1);
  return line?.replace(/^Error: /, '').slice(0, MAX_PRINTED);
}

/** A text of a library in one line, without colours, the place in its code, and the folders of libraries. */
function withoutPlace(text: string): string {
  const line = stripVTControlCharacters(text)
    .trim()
    .replace(/\s+/g, ' ')
    .replace(/(?:\/[^\s/:]+)+\/(?=[^\s/:]+\.so\b)/g, '');
  return PLACES.reduce((rest, place) => rest.replace(place, ''), line);
}

function libraryFolder(): string {
  const main = createRequire(import.meta.url).resolve('onnxruntime-node');
  return join(dirname(main), '..', 'bin', 'napi-v6', process.platform, process.arch);
}
