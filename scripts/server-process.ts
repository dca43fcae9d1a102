import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** A server in a process of its own, as `npm start` runs it. */
export interface ServerProcess {
  readonly child: ChildProcess;
  readonly url: string;
  /** Everything that it has logged so far. */
  readonly log: () => string;
  /** Settles with the exit code, or the signal that ended it. */
  readonly exit: Promise<number | string>;
}

/** A temporary folder for the data of a server. */
export async function temporaryDataDir(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'menagerie-'));
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) };
}

/**
 * Starts the compiled server on a free port and waits until it listens.
 * @param command what runs it, as the leader of a process group of its own
 */
export async function startServer(
  dataDir: string,
  settings: Record<string, string> = {},
  command: readonly [string, ...string[]] = [process.execPath, 'dist/src/main.js'],
): Promise<ServerProcess> {
  const [file, ...args] = command;
  const child = spawn(file, args, {
    env: { ...process.env, PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'info', ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const exit = once(child, 'exit').then(([code, signal]) => code ?? signal);
  const chunks: Buffer[] = [];
  const log = (): string => Buffer.concat(chunks).toString();
  const keep = (chunk: Buffer): void => void chunks.push(chunk);
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const port = await new Promise<string>((resolve, reject) => {
    // Only until it is found: in an hour under load the log has a million lines.
    const find = (): void => {
      const found = /"port":(\d+)/.exec(log())?.[1];
      if (found === undefined) return;
      child.stdout.off('data', find);
      resolve(found);
    };
    child.stdout.on('data', find);
    child.once('exit', () => reject(new Error(`the server ended at once:\n${log()}`)));
  });
  return { child, url: `http://127.0.0.1:${port}`, log, exit };
}

/** Waits until the server says that it is ready. */
export async function untilReady({ url }: ServerProcess): Promise<void> {
  await until(async () => (await fetch(`${url}/v2/health/ready`)).ok);
}

/** Images in flight, from the metrics. */
export async function imagesInFlight({ url }: ServerProcess): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^menagerie_images_in_flight(?:\{.*\})? (\d+)/m.exec(text)?.[1]);
}

/** A port of 127.0.0.1 that nothing listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port is free');
  return address.port;
}

/** Polls a condition of another process, for which there is no event to wait on. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(20);
}

/** Ids of the running children of a process; empty where there is no `/proc`. */
export function childrenOf(pid: number): number[] {
  return processes()
    .filter(({ parent }) => parent === pid)
    .map(({ id }) => id);
}

/** Resident memory of the server and its children in bytes; 0 where there is no `/proc`. */
export function residentBytes({ child: { pid = 0 } }: ServerProcess): number {
  return [pid, ...childrenOf(pid)].reduce((sum, id) => sum + residentBytesOf(id), 0);
}

/** Resident memory of a process in bytes; 0 when it has ended, or where there is no `/proc`. */
export function residentBytesOf(pid: number): number {
  try {
    return 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** Whether a process was started by `backgroundLaunch`; false where there is no `/proc`. */
export function isInBackground(pid: number): boolean {
  try {
    // Fields 19 and 41 of proc_pid_stat(5): the niceness, and the policy, of which 5 is SCHED_IDLE.
    const fields = statOf(pid);
    return fields[16] === '19' || fields[38] === '5';
  } catch {
    return false;
  }
}

/** Whether a process runs (a zombie that nobody has reaped yet does not). */
export function isAlive(pid: number): boolean {
  return processes().some(({ id }) => id === pid);
}

function processes(): { id: number; parent: number }[] {
  if (!existsSync('/proc/self/stat')) return [];
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => {
      try {
        const fields = statOf(entry);
        return fields[0] === 'Z' ? [] : [{ id: Number(entry), parent: Number(fields[1]) }];
      } catch {
        return [];
      }
    });
}

/** What `/proc` tells of a process, from the third field (state) on: the second, its name, may have spaces. */
function statOf(pid: number | string): string[] {
  return readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
}
