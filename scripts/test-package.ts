/**
 * Tests the package as users get it: packs it, installs the tarball into an empty folder, and runs what is installed
 * there, before and after `menagerie prune`, and without TensorFlow.js.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { expectEnd, readCommandLine } from './command-line.ts';
import { type ServerProcess, startServer, until } from './server-process.ts';

const USAGE = `usage: npm run test:package

Packs the package, installs the tarball into an empty folder, and tests what is installed there.`;

/** Where the package has ONNX Runtime, with the libraries of all systems. */
const ONNX_RUNTIME = 'dist/node_modules';
/** Everything that may be in the tarball. */
const CONTENTS =
  /^(?:package\.json|README\.md|LICENSE|openapi\.yaml|dist\/src\/[\w/-]+\.(?:js|d\.ts)|dist\/bundle\/(?:[\w-]+\.js|NOTICES\.txt)|dist\/web\/(?:index\.html|edge\.html|edge-worker\.js|edge\.webmanifest|assets\/[\w.-]+)|dist\/node_modules\/onnxruntime-(?:common|node)\/.+|zoo\/[\w./-]+\.(?:json|safetensors|py))$/;
/** Files without which it is not complete. */
const REQUIRED = [
  'LICENSE',
  'README.md',
  'dist/bundle/NOTICES.txt',
  'dist/bundle/main.js',
  'dist/src/index.d.ts',
  'dist/src/index.js',
  'dist/web/edge-worker.js',
  'dist/web/edge.html',
  'dist/web/edge.webmanifest',
  'dist/web/index.html',
  'openapi.yaml',
  'zoo/resnet18_slim.tiny200/manifest.json',
  ...['linux/x64', 'linux/arm64', 'darwin/arm64', 'win32/x64', 'win32/arm64'].map(
    (system) => `${ONNX_RUNTIME}/onnxruntime-node/bin/napi-v6/${system}/onnxruntime_binding.node`,
  ),
];
const MOST_BYTES = 80e6;
/** What an installation may take that has been pruned. */
const MOST_INSTALLED_MEGABYTES = 150;

interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly files: readonly { readonly path: string }[];
}

readCommandLine(USAGE, {}, ({ positionals }) => expectEnd(positionals));
const folder = await mkdtemp(join(tmpdir(), 'menagerie-package-'));
try {
  const tarball = pack(folder);
  const consumer = join(folder, 'consumer');
  await mkdir(consumer);
  await writeFile(join(consumer, 'package.json'), '{ "private": true }');
  // With the scripts of the packages that it installs, as npm 10 and 11 run them.
  npm(consumer, 'install', '--prefer-offline', '--no-audit', '--no-fund', tarball);
  process.chdir(consumer);
  console.log(`installed: ${megabytes(consumer)} MB`);

  const imported =
    "import { createServer, openZoo } from 'menagerie'; console.log(typeof createServer, typeof openZoo)";
  const library = execFileSync(process.execPath, ['--input-type=module', '-e', imported], { encoding: 'utf8' });
  check('the library is imported by its name', library === 'function function\n');

  const photo = await goldenPicture(join(import.meta.dirname, '../..'));
  const dataDir = join(folder, 'data');
  await withServer(dataDir, async (server) => {
    check('the page is served', (await ask(server, '/')).text.includes('<title>Menagerie'));
    check('Swagger UI is served', (await ask(server, '/docs')).text.includes('swagger-ui'));
    await classifies(server, photo, 'onnx');
  });

  npm(consumer, 'exec', '--', 'menagerie', 'prune');
  const pruned = megabytes(consumer);
  check(`a pruned installation takes ${pruned} MB`, pruned < MOST_INSTALLED_MEGABYTES);
  const images = await colours(join(folder, 'colours'));
  npm(consumer, 'exec', '--', 'menagerie', 'finetune', images, '--name', 'colours');
  await withServer(dataDir, async (server) => {
    await classifies(server, photo, 'onnx');
    await classifies(server, photo, 'tfjs');
    const bundle = await ask(server, '/docs/swagger-ui-bundle.js');
    check('the script of Swagger UI is served', bundle.status === 200);
    const blue = await ask(server, '/classify?model=colours', await readFile(join(images, 'blue', '0.png')));
    check('a model that was taught answers', /"label":"blue"/.test(blue.text));
  });

  const listed = { encoding: 'utf8', env: { ...process.env, DATA_DIR: dataDir } } as const;
  const runtime = join('node_modules', 'menagerie', ONNX_RUNTIME);
  await rename(runtime, `${runtime}-gone`);
  const { stderr } = spawnSync('npm', ['exec', '--', 'menagerie', 'classify', images], listed);
  check('without ONNX Runtime, an error says what to type', stderr.includes('"npm ci" brings them back'));
  await rename(`${runtime}-gone`, runtime);

  await rm(join(consumer, 'node_modules', '@tensorflow'), { recursive: true });
  console.log(`without TensorFlow.js: ${megabytes(consumer)} MB`);
  await withServer(dataDir, async (server) => {
    await classifies(server, photo, 'onnx');
    const { status, text } = await ask(server, '/classify?runtime=tfjs', photo.png);
    check(
      'without TensorFlow.js, an error says what to install',
      status === 501 && text.includes('npm install @tensor'),
    );
  });
} finally {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** Packs the package and checks what is in it. @returns path of the tarball */
function pack(destination: string): string {
  const output = execFileSync('npm', ['pack', '--json', '--pack-destination', destination], { encoding: 'utf8' });
  // npm 12 answers with an object of packages by name, earlier ones with a list.
  const answer: unknown = JSON.parse(output);
  const [packed] = Object.values(answer as Record<string, Packed>);
  if (packed === undefined) throw new Error(`npm pack wrote no tarball:\n${output}`);
  const paths = packed.files.map(({ path }) => path);
  const strange = paths.filter((path) => !CONTENTS.test(path));
  const missing = REQUIRED.filter((path) => !paths.includes(path));
  check(`the tarball has nothing else: ${strange.join(', ')}`, strange.length === 0);
  check(`the tarball is complete: ${missing.join(', ')}`, missing.length === 0);
  check(`the tarball has ${(packed.size / 1e6).toFixed(1)} MB in ${paths.length} files`, packed.size < MOST_BYTES);
  return join(destination, packed.filename);
}

function npm(cwd: string, ...args: string[]): void {
  const environment = { ...process.env, DATA_DIR: join(folder, 'data') };
  execFileSync('npm', args, { cwd, env: environment, stdio: ['ignore', 'ignore', 'inherit'] });
}

/** Runs the installed command, and checks that it stops when it is asked to. */
async function withServer(dataDir: string, use: (server: ServerProcess) => Promise<void>): Promise<void> {
  const command = join('node_modules', '.bin', 'menagerie');
  if (!existsSync(command)) throw new Error('the package has installed no command');
  const server = await startServer(dataDir, {}, [command]);
  try {
    await until(() => server.log().includes('"msg":"ready"'));
    await use(server);
    server.child.kill('SIGTERM');
    check('the server stops on SIGTERM', (await server.exit) === 0);
  } catch (thrown) {
    console.error(server.log().slice(-2_000));
    server.child.kill('SIGKILL');
    throw thrown;
  }
}

async function ask({ url }: ServerProcess, path: string, body?: Buffer): Promise<{ status: number; text: string }> {
  const request =
    body === undefined
      ? { headers: { accept: 'text/html' } }
      : { method: 'POST', headers: { 'content-type': 'image/png' }, body: new Uint8Array(body) };
  const response = await fetch(url + path, request);
  return { status: response.status, text: await response.text() };
}

interface Picture {
  readonly png: Buffer;
  /** The class that the framework which trained the model has found. */
  readonly index: number;
}

async function classifies(server: ServerProcess, { png, index }: Picture, runtime: string): Promise<void> {
  const { text } = await ask(server, `/classify?top_k=3&runtime=${runtime}`, png);
  check(`a photo is classified on ${runtime}`, text.includes(`"index":${index},`));
}

/** One of the pictures whose class the framework has told us. */
async function goldenPicture(root: string): Promise<Picture> {
  const golden = JSON.parse(await readFile(join(root, 'test/golden/resnet18_slim.tiny200.json'), 'utf8')) as {
    pixels_shape_nhwc: [number, number, number, number];
    pixels_u8_base64: string;
    top1: [number];
  };
  const [, height, width] = golden.pixels_shape_nhwc;
  const pixels = Buffer.from(golden.pixels_u8_base64, 'base64').subarray(0, height * width * 3);
  return {
    png: await sharp(pixels, { raw: { width, height, channels: 3 } })
      .png()
      .toBuffer(),
    index: golden.top1[0],
  };
}

/** A folder per class, with plain shapes of its colour. */
async function colours(path: string): Promise<string> {
  for (const [name, background] of Object.entries({ red: '#d22828', blue: '#2832d2' })) {
    await mkdir(join(path, name), { recursive: true });
    for (let index = 0; index < 6; index += 1) {
      const create = { width: 120 + 10 * index, height: 120, channels: 3 as const, background };
      await sharp({ create })
        .png()
        .toFile(join(path, name, `${index}.png`));
    }
  }
  return path;
}

function megabytes(path: string): number {
  return Math.round(Number(execFileSync('du', ['-sk', path], { encoding: 'utf8' }).split('\t')[0]) / 1024);
}

function check(what: string, holds: boolean): void {
  if (!holds) throw new Error(`not so: ${what}`);
  console.log(`ok  ${what.replace(/: $/, '')}`);
}
