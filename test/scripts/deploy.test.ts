import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { COMMANDS } from '../../src/command/commands.ts';
import { describeSettings, readConfig, SETTING_NAMES } from '../../src/config.ts';

/** The files for deployment name settings, commands, paths and ports: here they are those of the server. */
const FOLDER = 'scripts/deploy';
const FILES = readdirSync(FOLDER, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && !entry.name.endsWith('.ts'))
  .map((entry) => relative(FOLDER, join(entry.parentPath, entry.name)));
const read = (name: string) => readFileSync(`${FOLDER}/${name}`, 'utf8');
const defaultOf = (name: string) => describeSettings().find((each) => each.name === name)?.defaultValue ?? '';
const PORT = Number(defaultOf('PORT'));
const SHUTDOWN_SECONDS = Number(defaultOf('SHUTDOWN_TIMEOUT_MS')) / 1000;
const PATHS = Object.keys(parse(readFileSync('openapi.yaml', 'utf8')).paths);

/** What follows a pattern's match in a text, once for each match. */
const all = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, found = '']) => found);

/** Names in capitals that are not settings of the server. */
const OTHERS = [
  'NODE_ENV',
  'NODE_IMAGE',
  'AF_INET',
  'AF_UNIX',
  'AF_NETLINK',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'ORT_DISABLE_TELEMETRY',
];

test.each(FILES)('%s names settings, commands and paths that exist', (name) => {
  const text = read(name);
  const settings = all(text, /\b([A-Z]+(?:_[A-Z]+)+)\b/g);
  const others = settings.filter((each) => !SETTING_NAMES.includes(each) && !OTHERS.includes(each));
  // Variables of the clients of S3 and Redis.
  expect(others.filter((each) => !/^(?:AWS|REDIS)_/.test(each))).toEqual([]);
  const commands = all(text, /\bmenagerie ((?!menagerie)[a-z]+)(?= (?:create|list|revoke|--help|\w+\.\w+)|`)/g);
  expect(commands.filter((command) => !(command in COMMANDS))).toEqual([]);
  const paths = all(text, /(\/v\d\/[\w/]+|\/metrics\b)/g);
  expect(paths.filter((path) => !PATHS.includes(path))).toEqual([]);
});

test('README.md links to every file that is here, and to no other', () => {
  const linked = all(read('README.md'), /\]\(([\w./-]+)\)/g);
  for (const name of linked) expect(existsSync(`${FOLDER}/${name}`), name).toBe(true);
  // A folder of Kubernetes stands for what is in it.
  const unnamed = FILES.filter((name) => !linked.some((each) => name === each || name.startsWith(`${each}/`)));
  expect(unnamed).toEqual(['README.md']);
  for (const file of all(read('README.md'), /(scripts\/deploy\/[\w.-]+)/g)) expect(existsSync(file), file).toBe(true);
});

/** Settings that a file gives a server must be taken by it. */
function expectTaken(settings: Readonly<Record<string, unknown>>): void {
  const { NODE_ENV, ...ours } = settings;
  expect(NODE_ENV ?? 'production').toBe('production');
  expect(SETTING_NAMES).toEqual(expect.arrayContaining(Object.keys(ours)));
  readConfig(Object.fromEntries(Object.entries(ours).map(([name, value]) => [name, String(value)])));
}

const assignments = (line: string) =>
  Object.fromEntries(line.split(' ').map((each) => each.split('=') as [string, string]));

describe('Dockerfile', () => {
  const instructions = new Map(
    read('Dockerfile')
      .split('\n')
      .map((line) => [line.split(' ', 1)[0], line.replace(/^\w+ /, '')]),
  );
  const at = (name: string) => instructions.get(name) ?? '';

  test('sets what the server takes, and exposes its port', () => {
    expectTaken(assignments(at('ENV')));
    expect(Number(at('EXPOSE'))).toBe(PORT);
    expect(at('VOLUME')).toBe(assignments(at('ENV'))['DATA_DIR']);
  });

  test('runs node itself, as a user who is not root, with a command that exists', () => {
    const [program, ...args] = z.array(z.string()).parse(JSON.parse(at('ENTRYPOINT')));
    expect([program, args.at(-1)]).toEqual(['node', '/app/dist/bundle/main.js']);
    expect(
      z
        .array(z.string())
        .parse(JSON.parse(at('CMD')))
        .every((command) => command in COMMANDS),
    ).toBe(true);
    expect(Number(at('USER').split(':')[0])).toBeGreaterThan(0);
  });

  test('copies nothing that .dockerignore leaves out', () => {
    const sent = all(readFileSync('.dockerignore', 'utf8'), /^!(.*)$/gm);
    const copied = all(read('Dockerfile'), /^COPY (?!--from)(.*) \.\/$/gm).flatMap((line) => line.split(' '));
    expect(copied.length).toBeGreaterThan(0);
    expect(sent).toEqual(expect.arrayContaining(copied));
    for (const name of sent) expect(existsSync(name), name).toBe(true);
  });
});

test('compose.yaml runs what the Dockerfile builds, with its port, and time to end', () => {
  const { services } = parse(read('compose.yaml'));
  const { build, environment, ports, stop_grace_period, volumes, read_only } = services.menagerie;
  expect(existsSync(`${FOLDER}/${build.context}/${build.dockerfile}`)).toBe(true);
  expectTaken(environment);
  expect(ports).toEqual([`127.0.0.1:${PORT}:${PORT}`]);
  expect([volumes, read_only]).toEqual([['data:/data'], true]);
  expect(Number.parseInt(stop_grace_period, 10)).toBeGreaterThan(SHUTDOWN_SECONDS);
});

test('menagerie.service starts the server with settings that it takes, and gives it time to end', () => {
  const unit = read('menagerie.service');
  const [environment = ''] = all(unit, /^Environment=(.*)$/gm);
  expectTaken(assignments(environment));
  expect(all(unit, /main\.js (\w+) --config/g)).toEqual(['serve']);
  expect(Number(all(unit, /^TimeoutStopSec=(\d+)$/gm)[0])).toBeGreaterThan(SHUTDOWN_SECONDS);
  expectTaken(parse(read('menagerie.yaml')));
});

test.each(['nginx.conf', 'nginx-base-path.conf'])(
  '%s leads to the port, and lets the largest data set through',
  (name) => {
    expect(all(read(name), /server 127\.0\.0\.1:(\d+);/g)).toEqual([String(PORT)]);
    const [gigabytes = ''] = all(read(name), /client_max_body_size (\d+)g;/g);
    expect(Number(gigabytes) * 1024 ** 3).toBeGreaterThanOrEqual(Number(defaultOf('MAX_ARCHIVE_BYTES')));
  },
);

test('the Caddyfile leads to the port', () => {
  expect(new Set(all(read('Caddyfile'), /127\.0\.0\.1:(\d+)/g))).toEqual(new Set([String(PORT)]));
});
