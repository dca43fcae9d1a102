import { type ChildProcess, fork } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import type { BenchModel } from './bench-model.ts';
import { ask, start } from './child.ts';
import type { Load, Target } from './load.ts';
import type { Way } from './way.ts';

/** The server of `npm start`, which serves every model. */
export interface OurServer {
  readonly child: ChildProcess;
  serve(model: string, load: Load): Way;
}

/** Starts scripts/bench/plain-server.ts. */
export async function startPlain(model: BenchModel, load: Load, ...args: readonly 'resting'[]): Promise<Way> {
  const child = start('plain-server.js', args);
  const port = await ask<number>(child, model);
  return nodeServer({ child, port, path: '/classify' }, load, () => ask<number>(child, 'event-loop-delay'), {
    close: () => child.disconnect(),
  });
}

/** @param eventLoopDelay 99th percentile since the last call, in milliseconds */
function nodeServer(
  target: Target,
  load: Load,
  eventLoopDelay: () => Promise<number>,
  { close }: Pick<Way, 'close'>,
): Way {
  return {
    setting: '',
    url: `http://127.0.0.1:${target.port}${target.path}`,
    measure: async (concurrency, seconds) => {
      await eventLoopDelay();
      const measurement = await load(target, concurrency, seconds);
      return { ...measurement, eventLoopDelay: await eventLoopDelay() };
    },
    close,
  };
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
  console.log('waiting until our server has compared the formats of its models');
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
  return {
    child,
    serve: (model, load) =>
      nodeServer({ child, port, path: `/classify?model=${model}` }, load, eventLoopDelay, { close: () => undefined }),
  };
}

/** The port from the log of a server, which is read to its end: a server whose log nobody reads stops to write it. */
function portOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = '';
    const find = (chunk: Buffer): void => {
      text += chunk.toString();
      const port = /"port":(\d+)/.exec(text)?.[1];
      if (port === undefined) return;
      child.stdout?.off('data', find).resume();
      resolve(Number(port));
    };
    child.stdout?.on('data', find);
    child.once('exit', () => reject(new Error(`the server did not start:\n${text}`)));
  });
}
