import { type ChildProcess, fork } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import type { BenchModel } from './bench-model.ts';
import { ask, start } from './child.ts';

/** A server that classifies a photo with one model at `path`. */
export interface Served {
  readonly child: ChildProcess;
  readonly port: number;
  readonly path: string;
  /** 99th percentile of the event-loop delay since the last call, in milliseconds. */
  readonly eventLoopDelay: () => Promise<number>;
}

/** The server of `npm start`, which serves every model. */
export interface OurServer {
  readonly child: ChildProcess;
  serve(model: string): Served;
}

/** Starts scripts/bench/plain-server.ts. */
export async function startPlain(model: BenchModel, ...args: readonly 'resting'[]): Promise<Served> {
  const child = start('plain-server.js', args);
  const port = await ask<number>(child, model);
  return { child, port, path: '/classify', eventLoopDelay: () => ask<number>(child, 'event-loop-delay') };
}

/** Starts our server and waits until it has compared the formats of every converted model, so that it is idle. */
export async function startOurs(dataDir: string): Promise<OurServer> {
  const { scripts } = JSON.parse(await readFile('package.json', 'utf8')) as { scripts: { start: string } };
  // The last alternative: node, its flags, the script.
  const [, ...words] = (scripts.start.split(' || ').at(-1) ?? '').split(' ');
  const child = fork(words.at(-1) ?? '', {
    execArgv: words.slice(0, -1),
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    env: { ...process.env, PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'info' },
  });
  const port = await portOf(child);
  const get = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).json() as Promise<unknown>;
  const { models } = (await get('/models')) as { models: { id: string }[] };
  for (const { id } of models) {
    while (((await get(`/models/${id}`)) as { parity: { state: string } }).parity.state === 'pending') {
      await setTimeout(500);
    }
  }
  const eventLoopDelay = async (): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return Number(/^menagerie_event_loop_delay_seconds\{statistic="p99"\} ([\d.e+-]+)/m.exec(text)?.[1]) * 1000;
  };
  return { child, serve: (model) => ({ child, port, path: `/classify?model=${model}`, eventLoopDelay }) };
}

async function portOf(child: ChildProcess): Promise<number> {
  let text = '';
  for await (const chunk of child.stdout ?? []) {
    text += chunk;
    const port = /"port":(\d+)/.exec(text)?.[1];
    if (port !== undefined) {
      child.stdout?.resume();
      return Number(port);
    }
  }
  throw new Error(`the server did not start:\n${text}`);
}
