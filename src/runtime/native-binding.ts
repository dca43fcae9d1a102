import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { messageOf } from '../common/errors.ts';

/**
 * tfjs-node 4.22 was built against TensorFlow 2.9 and runs on later 2.x versions with the same C interface. This is
 * the newest version that was tried. Its wheel for Python 3.11 contains the library and the headers of that
 * interface.
 */
const WHEEL = 'tensorflow-cpu==2.15.1';
const WHEEL_PYTHON = '3.11';
/** The Node-API version that the binding is compiled for. All supported versions of Node have it. */
const NODE_API = 8;
const HEADERS = ['tensorflow', 'tsl', 'xla', 'absl', 'Eigen', 'google', 'unsupported'];
const LIBRARIES = [
  ['libtensorflow_cc.so.2', 'libtensorflow.so'],
  ['libtensorflow_framework.so.2', 'libtensorflow_framework.so'],
] as const;

const packageSchema = z.object({ binary: z.object({ host: z.url() }) });

export type Report = (line: string) => void;

/**
 * Installs the native binding of `@tensorflow/tfjs-node`, unless it is installed: with the installer of the package
 * if the host that it downloads from can be reached, else compiled against the TensorFlow wheel of the Python
 * registry.
 * @throws Error that says what is missing
 */
export async function installNativeBinding(report: Report): Promise<'already there' | 'downloaded' | 'compiled'> {
  const folder = packageFolder();
  if (await hasBinding(folder)) return 'already there';
  const host = packageSchema.parse(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))).binary.host;
  const unreachable = await whyUnreachable(host);
  if (unreachable === undefined) {
    report(`downloading with the installer of @tensorflow/tfjs-node, from ${new URL(host).host}`);
    const installed = attempt('npm', ['rebuild', '@tensorflow/tfjs-node', '--ignore-scripts=false']);
    if (installed && (await hasBinding(folder))) return 'downloaded';
    report('the installer failed');
  } else {
    report(`the installer downloads from ${new URL(host).host}, which cannot be reached: ${unreachable}`);
  }
  await compile(folder, report);
  return 'compiled';
}

function packageFolder(): string {
  try {
    return dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-node/package.json'));
  } catch {
    throw new Error('@tensorflow/tfjs-node is not installed: run npm install @tensorflow/tfjs-node@4.22 first');
  }
}

async function hasBinding(folder: string): Promise<boolean> {
  const versions = await readdir(join(folder, 'lib')).catch(() => []);
  return versions.some((version) => existsSync(join(folder, 'lib', version, 'tfjs_binding.node')));
}

async function whyUnreachable(host: string): Promise<string | undefined> {
  try {
    await fetch(host, { method: 'HEAD', signal: AbortSignal.timeout(10_000) });
    return undefined;
  } catch (error) {
    return messageOf(error instanceof Error ? (error.cause ?? error) : error);
  }
}

async function compile(folder: string, report: Report): Promise<void> {
  requireTools();
  const work = join(folder, 'deps.part');
  await rm(work, { recursive: true, force: true });
  await mkdir(work);
  try {
    report(`fetching ${WHEEL} from the Python registry, about 200 MB`);
    await layOutTensorFlow(work, join(folder, 'deps'));
    report('compiling the binding');
    await compileBinding(folder, work);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function requireTools(): void {
  if (process.platform !== 'linux') {
    throw new Error(`the binding can be compiled on Linux only, and this is ${process.platform}`);
  }
  const missing = [
    attempt('python3', ['-m', 'pip', '--version'], 'ignore') ? [] : ['python3 with pip (Debian: python3-pip)'],
    attempt('g++', ['--version'], 'ignore') ? [] : ['g++ (Debian: g++)'],
  ].flat();
  if (missing.length > 0) throw new Error(`to compile the binding, install ${missing.join(' and ')}`);
}

/** Moves the headers and libraries of the wheel, which the binding is compiled and linked against, to `target`. */
async function layOutTensorFlow(work: string, target: string): Promise<void> {
  const options = ['--quiet', '--no-deps', '--only-binary', ':all:', '--python-version', WHEEL_PYTHON];
  run('python3', ['-m', 'pip', 'download', ...options, '--dest', work, WHEEL]);
  const wheel = (await readdir(work)).find((name) => name.endsWith('.whl'));
  if (wheel === undefined) throw new Error(`pip downloaded no wheel of ${WHEEL}`);
  run('python3', ['-m', 'zipfile', '--extract', join(work, wheel), work]);
  const unpacked = join(work, 'tensorflow');
  await rm(target, { recursive: true, force: true });
  await mkdir(join(target, 'include'), { recursive: true });
  await mkdir(join(target, 'lib'));
  for (const name of HEADERS) {
    const headers = join(unpacked, 'include', name);
    if (existsSync(headers)) await rename(headers, join(target, 'include', name));
  }
  for (const [library, linkName] of LIBRARIES) {
    await rename(join(unpacked, library), join(target, 'lib', library));
    await symlink(library, join(target, 'lib', linkName));
  }
}

/** Compiles as `binding.gyp` of the package says, but without node-gyp, which would download the headers of Node. */
async function compileBinding(folder: string, work: string): Promise<void> {
  const target = join(folder, 'lib', `napi-v${NODE_API}`);
  const built = join(work, 'tfjs_binding.node');
  const include = [join(folder, 'deps', 'include'), nodeHeaders(work)].map((path) => `-I${path}`);
  const sources = ['tfjs_backend.cc', 'tfjs_binding.cc'].map((name) => join(folder, 'binding', name));
  const link = [`-L${join(folder, 'deps', 'lib')}`, '-ltensorflow', '-ltensorflow_framework'];
  const flags = ['-std=c++17', '-O2', '-fPIC', '-shared', '-w', `-DNAPI_VERSION=${NODE_API}`];
  run('g++', [...flags, ...include, ...sources, ...link, '-Wl,-rpath,$ORIGIN/../../deps/lib', '-o', built]);
  await mkdir(target, { recursive: true });
  // Renamed when it is complete: a binding that is there works.
  await rename(built, join(target, 'tfjs_binding.node'));
}

/**
 * The folder with `node_api.h`: that of the Node installation if it has one, else that of the package
 * `node-api-headers`.
 */
function nodeHeaders(work: string): string {
  const own = join(dirname(dirname(process.execPath)), 'include', 'node');
  if (existsSync(join(own, 'node_api.h'))) return own;
  run('npm', ['install', '--no-save', '--ignore-scripts', '--prefix', work, 'node-api-headers@1']);
  return join(work, 'node_modules', 'node-api-headers', 'include');
}

function run(command: string, args: readonly string[]): void {
  if (!attempt(command, args)) throw new Error(`failed: ${command} ${args.join(' ')}`);
}

function attempt(command: string, args: readonly string[], stdio: 'inherit' | 'ignore' = 'inherit'): boolean {
  return spawnSync(command, args, { stdio }).status === 0;
}
