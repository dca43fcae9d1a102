/** Measures how long the server takes to start, beside an empty Express server, and the memory it then holds. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { median } from './bench/measurement.ts';
import { expectEnd, readCommandLine, wholeNumber } from './command-line.ts';
import { childrenOf, freePort } from './server-process.ts';

const USAGE = `usage: npm run bench:start [-- options]

Measures the milliseconds from the start of a process until it answers: those of "npm start" until
the default model answers (second and later starts: models are converted), and those of an Express
server that has nothing to do. They take turns. Then measures the memory of the idle server.

  --rounds <n>   starts of each (default: 7)`;

const rounds = readCommandLine(USAGE, { rounds: { type: 'string', default: '7' } }, ({ values, positionals }) => {
  expectEnd(positionals);
  return wholeNumber('--rounds', values.rounds, 1);
});

/** Milliseconds after which an idle server is measured: what follows the start has ended. */
const IDLE_MS = 5_000;

interface Started {
  readonly child: ChildProcess;
  /** Milliseconds until it answered. */
  readonly ms: number;
}

/** Starts a script and waits until a path of it answers with 200. */
async function start(script: string, execArgv: readonly string[], path: string, env: object): Promise<Started> {
  const port = await freePort();
  const began = performance.now();
  const child = fork(script, [], {
    execArgv: [...execArgv],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, ...env, PORT: `${port}` },
  });
  while (!(await answers(port, path))) await setTimeout(2);
  return { child, ms: performance.now() - began };
}

function answers(port: number, path: string): Promise<boolean> {
  return new Promise((resolve) => {
    request({ port, host: '127.0.0.1', path, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    })
      .on('error', () => resolve(false))
      .end();
  });
}

async function stop({ child }: Started): Promise<void> {
  child.kill();
  await once(child, 'exit');
}

/** Memory of a process in MB: what it has for itself, and with its share of what several processes have mapped. */
function memoryOf(pid: number): { readonly own: number; readonly proportional: number } {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const of = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(text)?.[1]) / 1000;
  return { own: of('Private_Dirty') + of('Private_Clean'), proportional: of('Pss') };
}

const { scripts } = JSON.parse(await readFile('package.json', 'utf8')) as { scripts: { start: string } };
// The last alternative: node, its flags, the script.
const [, ...words] = (scripts.start.split(' || ').at(-1) ?? '').split(' ');
const dataDir = await mkdtemp(join(tmpdir(), 'menagerie-start-'));
const starts = {
  menagerie: () => start(words.at(-1) ?? '', words.slice(0, -1), '/v2/health/ready', { DATA_DIR: dataDir }),
  express: () => start(join(import.meta.dirname, 'bench/empty-server.js'), [], '/', {}),
};
try {
  // The first start converts the models.
  const first = await starts.menagerie();
  console.log(`first start: ${first.ms.toFixed(0)} ms`);
  await setTimeout(IDLE_MS);
  await stop(first);
  const times: Record<keyof typeof starts, number[]> = { menagerie: [], express: [] };
  for (let round = 0; round < rounds; round++) {
    for (const name of ['express', 'menagerie'] as const) {
      const started = await starts[name]();
      times[name].push(started.ms);
      await stop(started);
    }
  }
  for (const [name, all] of Object.entries(times)) {
    console.log(`${name}: ${median(all).toFixed(0)} ms (${all.map((ms) => ms.toFixed(0)).join(', ')})`);
  }
  const idle = await starts.menagerie();
  await setTimeout(IDLE_MS);
  const pid = idle.child.pid ?? 0;
  for (const [name, id] of [['server', pid], ...childrenOf(pid).map((id) => ['engine', id] as const)] as const) {
    const { own, proportional } = memoryOf(id);
    console.log(
      `${name}: ${own.toFixed(0)} MB of its own, ${proportional.toFixed(0)} MB with its share of what is mapped`,
    );
  }
  await stop(idle);
} finally {
  await rm(dataDir, { recursive: true, force: true });
}
