import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { z } from 'zod';
import { colourZip } from '../../scripts/labelled-zip.ts';
import { freePort, type ServerProcess, startServer, until, untilReady } from '../../scripts/server-process.ts';
import { KeyFile } from '../../src/access/key-file.ts';
import { EMBEDDED, goldenPictures } from '../golden/pictures.ts';
import { HAS_KUBECTL, type KubernetesObject, OVERLAYS, parseObjects, renderOverlay } from './kustomize.ts';

/** The examples of `scripts/deploy` in the programs that they are for. Those that this machine has not are skipped. */
const FOLDER = 'scripts/deploy';
const NGINX = '/usr/sbin/nginx';
const CADDY = '/usr/bin/caddy';
const SYSTEMD = '/usr/bin/systemd-analyze';
/** Schemas need packages of Python, and `PYTHON` where it is not the first one. */
const python = process.env['PYTHON'] ?? 'python3';
const has = (modules: string) => spawnSync(python, ['-c', `import ${modules}`]).status === 0;
const HAS_SCHEMAS = has('kubernetes_validate');
const HAS_KEDA = has('cloudcoil.models.keda');
const HAS_KSERVE = has('six, urllib3, importlib.util as util; util.find_spec("kserve").origin');

const isCustom = ({ apiVersion }: KubernetesObject) => /^(?:keda\.sh|serving\.kserve\.io)\//.test(apiVersion);
const asYaml = (objects: readonly KubernetesObject[]) => objects.map((each) => stringify(each)).join('---\n');
const customResources = (text: string) =>
  execFileSync(python, ['test/scripts/custom_resources.py'], { input: text, encoding: 'utf8' });

/** Every field must be known, too. */
async function expectSchemas(objects: readonly KubernetesObject[]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'menagerie-kubernetes-'));
  const path = join(folder, 'objects.yaml');
  await writeFile(path, asYaml(objects));
  const command = ['-m', 'kubernetes_validate', '--strict', path];
  const { status, stdout, stderr } = spawnSync(python, command, { encoding: 'utf8' });
  await rm(folder, { recursive: true });
  expect(status, stdout + stderr).toBe(0);
}

test.skipIf(!HAS_SCHEMAS || !HAS_KUBECTL).each(OVERLAYS)(
  'the overlay %s has the published schemas (skipped without kubectl or the package kubernetes-validate)',
  (overlay) => expectSchemas(parseObjects(renderOverlay(overlay)).filter((each) => !isCustom(each))),
);

test.skipIf(!HAS_SCHEMAS)(
  'the containers of the runtime for KServe have the published schemas (skipped without the package kubernetes-validate)',
  async () => {
    const [runtime] = parseObjects(await readFile(`${FOLDER}/kubernetes/kserve/serving-runtime.yaml`, 'utf8'));
    const { containers, volumes } = z
      .object({ containers: z.array(z.unknown()), volumes: z.array(z.unknown()) })
      .parse(runtime?.['spec']);
    const metadata = { name: 'runtime', labels: {} };
    await expectSchemas([{ apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers, volumes } }]);
  },
);

test.skipIf(!HAS_KEDA || !HAS_KUBECTL)(
  'what scales workers is as KEDA publishes it (skipped without kubectl or the package cloudcoil-models-keda)',
  () => {
    const custom = parseObjects(renderOverlay('replicas')).filter(isCustom);
    expect(customResources(asYaml(custom))).toBe('2 objects are as published\n');
  },
);

test.skipIf(!HAS_KSERVE).each(['serving-runtime.yaml', 'inference-service.yaml', 'inference-service-grpc.yaml'])(
  '%s is as KServe publishes it (skipped without the package kserve; see custom_resources.py)',
  async (name) => {
    const text = await readFile(`${FOLDER}/kubernetes/kserve/${name}`, 'utf8');
    expect(customResources(text)).toBe('1 objects are as published\n');
  },
);

test.skipIf(!existsSync(SYSTEMD))('systemd takes menagerie.service (skipped without systemd-analyze)', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'menagerie-unit-'));
  const unit = await readFile(`${FOLDER}/menagerie.service`, 'utf8');
  const path = join(folder, 'menagerie.service');
  // Node.js may be elsewhere here.
  await writeFile(path, unit.replace('=/usr/bin/node', `=${process.execPath}`).replace(/^Documentation=.*\n/m, ''));
  const { status, stderr } = spawnSync(SYSTEMD, ['verify', '--man=no', path], { encoding: 'utf8' });
  const { stdout } = spawnSync(SYSTEMD, ['security', '--offline=true', path], { encoding: 'utf8' });
  await rm(folder, { recursive: true });
  expect([status, stderr]).toEqual([0, '']);
  // Of 10, where 9.6 is what a service has that asks for nothing.
  expect(Number(/level for menagerie.service: ([\d.]+)/.exec(stdout)?.[1])).toBeLessThan(2);
});

/** What starts a proxy with an example, in which the addresses are those of this test. */
interface Proxy {
  readonly example: string;
  readonly program: string;
  readonly basePath: '' | '/zoo';
  /** Writes the configuration. @returns the arguments of the program */
  configure(folder: string, text: string, port: number, upstream: string): Promise<string[]>;
}

async function configureNginx(folder: string, text: string, port: number, upstream: string): Promise<string[]> {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${join(folder, name)};`,
  );
  // Its workers otherwise run as nobody, who may not keep bodies in the folder.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  const site = text.replace('listen 80;', `listen 127.0.0.1:${port};`).replace('127.0.0.1:8080', upstream);
  const main = `${user} daemon off; pid ${join(folder, 'pid')}; events {}
    http { access_log off; ${temporary.join(' ')} ${site} }`;
  await writeFile(join(folder, 'nginx.conf'), main);
  return ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')];
}

function configureCaddy(site: string): Proxy['configure'] {
  return async (folder, text, port, upstream) => {
    const [block = ''] = new RegExp(`^${site} \\{[^]*?^\\}`, 'm').exec(text) ?? [];
    // Without certificates, which it would ask for.
    const here = block.replace(site, `http://127.0.0.1:${port}`).replaceAll('127.0.0.1:8080', upstream);
    await writeFile(join(folder, 'Caddyfile'), `{\n\tadmin off\n\tauto_https off\n}\n${here}\n`);
    return ['run', '--adapter', 'caddyfile', '--config', join(folder, 'Caddyfile')];
  };
}

const PROXIES: readonly Proxy[] = [
  { example: 'nginx.conf', program: NGINX, basePath: '', configure: configureNginx },
  { example: 'nginx-base-path.conf', program: NGINX, basePath: '/zoo', configure: configureNginx },
  { example: 'Caddyfile', program: CADDY, basePath: '', configure: configureCaddy('zoo.example') },
  { example: 'Caddyfile', program: CADDY, basePath: '/zoo', configure: configureCaddy('www.example') },
];

describe.each(PROXIES)('behind $program with $example and BASE_PATH=$basePath', (proxy) => {
  const isThere = existsSync(proxy.program);
  let folder: string;
  let server: ServerProcess;
  let child: ChildProcess;
  let url: string;
  let authorization: string;

  beforeAll(async () => {
    if (!isThere) return;
    folder = await mkdtemp(join(tmpdir(), 'menagerie-proxy-'));
    const data = join(folder, 'data');
    authorization = `Bearer ${(await new KeyFile(data).create('test', 'teach')).key}`;
    server = await startServer(data, { TRUST_PROXY: '1', BASE_PATH: proxy.basePath });
    await untilReady(server);
    const port = await freePort();
    const own = join(folder, 'proxy');
    await mkdir(own);
    const text = await readFile(`${FOLDER}/${proxy.example}`, 'utf8');
    const args = await proxy.configure(own, text, port, server.url.replace('http://', ''));
    child = spawn(proxy.program, args, { stdio: 'ignore', env: { ...process.env, HOME: own } });
    url = `http://127.0.0.1:${port}${proxy.basePath}`;
    await until(() =>
      fetch(url).then(
        () => true,
        () => child.exitCode !== null,
      ),
    );
    expect(child.exitCode).toBe(null);
  });
  afterAll(async () => {
    if (!isThere) return;
    for (const each of [child, server.child]) {
      const exit = once(each, 'exit');
      each.kill('SIGTERM');
      await exit;
    }
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  test.skipIf(!isThere)(
    'a photo is classified, and the log has the address of the client, not what it claims',
    async () => {
      const [picture] = await goldenPictures(EMBEDDED[0]);
      const headers = { authorization, 'content-type': 'image/png', 'x-forwarded-for': '203.0.113.9' };
      const body = new Uint8Array(picture?.png ?? []);
      const answer = await fetch(`${url}/classify?top_k=1`, { method: 'POST', headers, body });
      expect(await answer.json()).toMatchObject({ results: [{ predictions: [{ index: picture?.top1 }] }] });
      await until(() => server.log().includes('"path":"/classify"'));
      const [line = ''] = /^.*"path":"\/classify".*$/m.exec(server.log()) ?? [];
      expect(line).toContain('"client":"127.0.0.1"');
      expect(server.log()).not.toContain('203.0.113.9');
    },
  );

  test.skipIf(!isThere)('a body reaches the server that is larger than a proxy takes by default', async () => {
    const headers = { authorization, 'content-type': 'image/png' };
    const answer = await fetch(`${url}/classify`, { method: 'POST', headers, body: new Uint8Array(5e6) });
    expect([answer.status, await answer.json()]).toMatchObject([415, { code: 'unsupported_image' }]);
  });

  test.skipIf(!isThere)(
    'a model is taught: Location leads to the job, and its events come before it ends',
    async () => {
      const form = new FormData();
      form.set('name', 'colours');
      form.set('dataset', new Blob([new Uint8Array(await colourZip())]), 'colours.zip');
      const asked = await fetch(`${url}/finetune`, { method: 'POST', headers: { authorization }, body: form });
      expect(asked.status).toBe(202);
      const job = new URL(asked.headers.get('location') ?? '', asked.url).href;
      expect(job.startsWith(`${url}/jobs/`)).toBe(true);
      const events = await fetch(`${job}/events`, { headers: { authorization } });
      const states: string[] = [];
      let text = '';
      for await (const chunk of events.body ?? []) {
        text += Buffer.from(chunk).toString();
        if (states.length === 0 && text.includes('data:')) {
          const { state } = z
            .object({ state: z.string() })
            .parse(await (await fetch(job, { headers: { authorization } })).json());
          states.push(state);
        }
      }
      expect(['queued', 'running']).toContain(states[0]);
      expect(text).toContain('succeeded');
    },
  );
});
