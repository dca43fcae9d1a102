/**
 * Installs and tests the committed project on every supported version of Node.js. Node.js and npm come from the npm
 * registry (the packages `node-<platform>-<arch>` and `npm`). A clone in a temporary folder is installed with `npm ci`
 * and tested with `npm test`, then packed, installed and tested with `npm run test:package`.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { oneOf, readCommandLine } from './command-line.ts';

/** Major versions of Node.js, each with a major version of npm: together they cover npm 10, 11 and 12. */
const NPM_FOR_NODE: Readonly<Record<string, string>> = { 20: '10', 22: '10', 24: '11', 26: '12' };

const USAGE = `usage: npm run test:nodes [-- [<version> ...] [--package]]

Installs and tests the committed project on Node.js ${Object.keys(NPM_FOR_NODE).join(', ')}, or on the
versions that are named.

  --package  test only the package that is made of it, as users install it`;

/** Downloads and unpacks a package. Returns its folder. */
function unpack(spec: string, cache: string): string {
  const folder = join(cache, spec.replace('@', '-'));
  mkdirSync(folder, { recursive: true });
  execFileSync('npm', ['pack', '--silent', spec, '--pack-destination', folder], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const tarball = readdirSync(folder).find((file) => file.endsWith('.tgz'));
  if (tarball === undefined) throw new Error(`npm pack ${spec} wrote no tarball`);
  execFileSync('tar', ['-xzf', join(folder, tarball), '-C', folder]);
  return join(folder, 'package');
}

/** Runs a command and shows its output. Returns whether it succeeded. */
function succeeds(command: string, args: readonly string[], cwd: string, path: string): boolean {
  return spawnSync(command, args, { cwd, stdio: 'inherit', env: { ...process.env, PATH: path } }).status === 0;
}

function testOn(nodeMajor: string, npmMajor: string, cache: string, packageOnly: boolean): string {
  const node = join(unpack(`node-${process.platform}-${process.arch}@${nodeMajor}`, cache), 'bin', 'node');
  const npm = join(unpack(`npm@${npmMajor}`, cache), 'bin', 'npm-cli.js');
  const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
  const clone = join(cache, `clone-${nodeMajor}`);
  execFileSync('git', ['clone', '--quiet', '.', clone]);
  // The scripts call npm by its name.
  const commands = join(cache, `commands-${nodeMajor}`);
  mkdirSync(commands);
  symlinkSync(npm, join(commands, 'npm'));
  const path = [commands, join(node, '..'), process.env.PATH].join(delimiter);
  console.log(`\n== Node ${version} with npm ${npmMajor}`);
  const passed =
    succeeds(node, [npm, 'ci', '--no-audit', '--no-fund'], clone, path) &&
    (packageOnly || succeeds(node, [npm, 'test'], clone, path)) &&
    succeeds(node, [npm, 'run', '--silent', 'test:package'], clone, path);
  rmSync(clone, { recursive: true, force: true });
  return `${passed ? 'passed' : 'FAILED'}  Node ${version}, npm ${npmMajor}`;
}

const { asked, packageOnly } = readCommandLine(USAGE, { package: { type: 'boolean' } }, ({ values, positionals }) => {
  for (const version of positionals) oneOf('the version', version, Object.keys(NPM_FOR_NODE));
  return { asked: positionals, packageOnly: values.package ?? false };
});
const cache = mkdtempSync(join(tmpdir(), 'menagerie-nodes-'));
const results: string[] = [];
try {
  for (const [node, npm] of Object.entries(NPM_FOR_NODE)) {
    if (asked.length === 0 || asked.includes(node)) results.push(testOn(node, npm, cache, packageOnly));
  }
} finally {
  rmSync(cache, { recursive: true, force: true });
}
console.log(`\n${results.join('\n')}`);
process.exitCode = results.every((line) => line.startsWith('passed')) ? 0 : 1;
