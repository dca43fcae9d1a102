/**
 * Builds the image of the Dockerfile beside this file, and tests what runs in it as an operator would. It takes minutes,
 * needs root and a gigabyte or two of disk, and is not a part of the tests of every day.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expectEnd, readCommandLine } from '../command-line.ts';
import { colouredPicture, colourZip } from '../labelled-zip.ts';
import { freePort, until } from '../server-process.ts';

const USAGE = `usage: npm run test:image [-- --base <image>]

Builds the image with podman, and tests it: keys, a read-only file system, another user than root, 1 GB of memory,
health, classification, a fine-tune, the lock of the data, SIGTERM. Needs root, and on Debian:
  apt-get install --no-install-recommends podman runc conmon mmdebstrap

  --base <image>  an image with Node.js and npm, such as node:24-bookworm-slim. Without it, one is
                  made of packages of Debian and of the npm registry, where registries of images cannot be reached`;

const NODE_MAJOR = 24;
const NPM_MAJOR = 11;
const MEMORY = '1g';
/** What the server may need from its start to its first answer, with the conversion of three models. */
const MOST_START_MS = 60_000;
/** What an operator waits for at most; containers are killed after it. */
const STOP_SECONDS = 20;
/** What the image may add to the base: the issue that asked for it said so. */
const MOST_MEGABYTES = 150;

const base = readCommandLine(USAGE, { base: { type: 'string' } }, ({ values, positionals }) => {
  expectEnd(positionals);
  return values.base;
});
const folder = mkdtempSync(join(tmpdir(), 'menagerie-image-'));
const data = join(folder, 'data');
const name = 'menagerie-test';
// crun, the other runtime of Debian, does not run where cgroups of both versions are mounted.
const storage = ['--root', join(folder, 'storage'), '--runroot', join(folder, 'run'), '--runtime', 'runc'];
try {
  const nodeImage = base ?? makeBase();
  const dockerfile = 'scripts/deploy/Dockerfile';
  const started = performance.now();
  // Without a network of its own, which machines that are containers themselves cannot make.
  const build = ['build', '--network', 'host', '--isolation', 'chroot', '--tag', 'menagerie'];
  // The format of OCI has no health checks.
  show(...build, '--format', 'docker', '--file', dockerfile, '--build-arg', `NODE_IMAGE=${nodeImage}`, '.');
  console.log(`built in ${seconds(started)} s`);
  const [whole, below] = ['menagerie', nodeImage].map(megabytesOf) as [number, number];
  check(`the image has ${whole} MB, ${below} of them the base`, whole - below < MOST_MEGABYTES);

  mkdirSync(data);
  execFileSync('chown', ['1000:1000', data]);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const refused = podman('run', '--rm', ...options(port), 'menagerie');
  check('it does not start without a key', refused.status === 1 && refused.output.includes('there is no key'));
  const key = podman('run', '--rm', ...options(port), 'menagerie', 'keys', 'create', 'test', '--scope', 'admin').stdout;
  check('"keys create" prints a key', /^mng_[\w-]+\n$/.test(key));
  const ask = (path: string, init: RequestInit = {}) =>
    fetch(url + path, { ...init, headers: { ...init.headers, authorization: `Bearer ${key.trim()}` } });

  const [took] = await timed(async () => {
    start(port);
    await until(() => fetch(`${url}/v2/health/ready`).then(({ ok }) => ok, ended));
  });
  check(`it is ready ${took} ms after its start, with ${MEMORY}B of memory`, took < MOST_START_MS);
  check('its health check passes', podman('healthcheck', 'run', name).status === 0);
  const [main = ''] = inside('ps1').split('\n');
  check(`process 1 is node, of the user 1000: ${main}`, main.endsWith('/node 1000'));
  const listed = podman('exec', name, 'menagerie', 'keys', 'list').stdout;
  check('commands run in it', /^test +admin/m.test(listed));
  check('its files cannot be written', inside('write').startsWith('EROFS'));
  const anonymous = await fetch(`${url}/classify`, { method: 'POST', body: new Uint8Array() });
  check('without the key it does not classify', anonymous.status === 401);

  const picture = { headers: { 'content-type': 'image/png' }, body: await bytesOf('red') };
  const [answered, first] = await timed(() => ask('/classify?top_k=1', { method: 'POST', ...picture }));
  check(`it classifies, in ${answered} ms`, first.status === 200);
  const form = new FormData();
  form.set('name', 'colours');
  form.set('dataset', new Blob([new Uint8Array(await colourZip())]), 'colours.zip');
  const job = await ask('/finetune', { method: 'POST', body: form });
  const events = await ask(`${job.headers.get('location')}/events`).then((response) => response.text());
  check('it trains', events.includes('succeeded'));
  check('it answers with the new model', await classifiesRed());

  const second = podman('run', '--rm', ...options(await freePort()), 'menagerie');
  check('a second server on the same data is refused', second.status === 1 && second.output.includes('is in use'));
  await stops();
  start(port);
  await until(() => fetch(`${url}/v2/health/ready`).then(({ ok }) => ok, ended));
  check('after a restart the new model is there', await classifiesRed());
  await stops();

  async function classifiesRed(): Promise<boolean> {
    const answer = await ask('/classify?model=colours', { method: 'POST', ...picture });
    return /"label":"red"/.test(await answer.text());
  }
} finally {
  podman('rm', '--force', '--time', '0', name);
  podman('rmi', '--all', '--force');
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** An image of Debian with Node.js and npm, as the official ones of Node.js have them. @returns its name */
function makeBase(): string {
  const root = join(folder, 'base');
  const trimmed = ['doc', 'man', 'locale'].map((each) => `--dpkgopt=path-exclude=/usr/share/${each}/*`);
  const debian = ['--quiet', '--variant=essential', '--include=ca-certificates,libstdc++6', ...trimmed];
  execFileSync('mmdebstrap', [...debian, 'bookworm', root], { stdio: 'inherit' });
  const local = join(root, 'usr/local');
  cpSync(join(unpack(`node-${process.platform}-${process.arch}@${NODE_MAJOR}`), 'bin/node'), join(local, 'bin/node'));
  cpSync(unpack(`npm@${NPM_MAJOR}`), join(local, 'lib/node_modules/npm'), { recursive: true });
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(local, 'bin/npm'));
  // Where a registry is behind a certificate of its own.
  const authorities = process.env['NODE_EXTRA_CA_CERTS'];
  const change: string[] = [];
  if (authorities !== undefined) {
    cpSync(authorities, join(root, 'etc/ssl/certs/extra.crt'), { dereference: true });
    change.push('--change', 'ENV=NODE_EXTRA_CA_CERTS=/etc/ssl/certs/extra.crt');
  }
  execFileSync('tar', ['--create', '--file', join(folder, 'base.tar'), '--directory', root, '.']);
  show('import', '--quiet', ...change, join(folder, 'base.tar'), 'localhost/node');
  return 'localhost/node';
}

/** Downloads and unpacks a package. @returns its folder */
function unpack(spec: string): string {
  const into = join(folder, spec);
  mkdirSync(into);
  const packed = execFileSync('npm', ['pack', '--silent', spec, '--pack-destination', into], { encoding: 'utf8' });
  execFileSync('tar', ['--extract', '--file', join(into, packed.trim()), '--directory', into]);
  return join(into, 'package');
}

function options(port: number): string[] {
  // More open files than this machine lets its root have are not to be had in a container.
  const limits = ['--memory', MEMORY, '--memory-swap', MEMORY, '--ulimit', 'nofile=4096', '--ulimit', 'nproc=4096'];
  const settings = ['--env', `PORT=${port}`, '--volume', `${data}:/data`];
  const locked = ['--read-only', '--cap-drop', 'all', '--security-opt', 'no-new-privileges'];
  return ['--network', 'host', ...locked, ...limits, ...settings];
}

function start(port: number): void {
  podman('rm', '--force', '--time', '0', name);
  const { status, output } = podman('run', '--detach', '--name', name, ...options(port), 'menagerie');
  if (status !== 0) throw new Error(output);
}

/** Whether it is not there yet. @throws Error with its log when it never will be */
function ended(): boolean {
  const state = podman('inspect', '--format', '{{.State.Status}}', name).stdout.trim();
  if (state === 'running') return false;
  throw new Error(`the container is ${state}:\n${podman('logs', name).output}`);
}

async function stops(): Promise<void> {
  const [took] = await timed(async () => show('stop', '--time', String(STOP_SECONDS), name));
  const [code, killed] = podman('inspect', '--format', '{{.State.ExitCode}} {{.State.OOMKilled}}', name)
    .stdout.trim()
    .split(' ');
  check(`it stops on SIGTERM in ${took} ms, with ${code}`, code === '0' && took < STOP_SECONDS * 1000);
  check('it was never out of memory', killed === 'false');
}

/** Runs a few lines in the container. */
function inside(what: 'ps1' | 'write'): string {
  const lines = {
    ps1: `const { readlinkSync, statSync } = require('fs'); console.log(readlinkSync('/proc/1/exe'), statSync('/proc/1').uid)`,
    write: `try { require('fs').writeFileSync('/app/x', ''); console.log('written') } catch ({ code }) { console.log(code) }`,
  };
  return podman('exec', name, 'node', '--eval', lines[what]).stdout;
}

function podman(...args: string[]): { status: number | null; stdout: string; output: string } {
  const { status, stdout, stderr } = spawnSync('podman', [...storage, ...args], { encoding: 'utf8' });
  return { status, stdout, output: stdout + stderr };
}

/** The same, for all to see. @throws Error when it fails */
function show(...args: string[]): void {
  execFileSync('podman', [...storage, ...args], { stdio: 'inherit' });
}

function megabytesOf(image: string): number {
  return Math.round(Number(podman('image', 'inspect', '--format', '{{.Size}}', image).stdout) / 1e6);
}

async function bytesOf(colour: 'red'): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await colouredPicture(colour, 1));
}

async function timed<T>(use: () => Promise<T>): Promise<[number, T]> {
  const began = performance.now();
  const result = await use();
  return [Math.round(performance.now() - began), result];
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(0);
}

function check(what: string, holds: boolean): void {
  if (!holds) throw new Error(`not so: ${what}`);
  console.log(`ok  ${what}`);
}
