import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { packageFile } from '../../../src/common/package-files.ts';
import type { History } from '../history.ts';

/** What a machine is: its name, what runs on it, and the settings of that. */
export interface MachineSettings {
  readonly name: string;
  readonly role: 'serve' | 'worker';
  readonly environment: Readonly<Record<string, string>>;
  /** Milliseconds by which its clock is fast. */
  readonly clockShiftMs: number;
}

/** Milliseconds before a process that has ended is started again, as an init system does. */
const RESTART_MS = 500;
/** What a process logs when it works. */
const READY = { serve: /"port":(\d+)/, worker: /working on jobs/ } as const;
const CLOCK = pathToFileURL(packageFile('dist', 'test', 'cluster', 'world', 'shifted-clock.js')).href;

/** A machine with one server or worker, which is started again whenever it ends. Its log is appended to a file. */
export class Machine {
  readonly name: string;
  readonly role: MachineSettings['role'];
  readonly #settings: MachineSettings;
  readonly #folder: string;
  readonly #history: History;
  readonly #log: WriteStream;
  #child: ChildProcess | undefined;
  #url: string | undefined;
  #asked: 'killed' | 'stopped' | null = null;
  #ended: Promise<void> = Promise.resolve();

  /** @param folder for its `DATA_DIR` and its log */
  constructor(settings: MachineSettings, folder: string, history: History) {
    this.name = settings.name;
    this.role = settings.role;
    this.#settings = settings;
    this.#folder = folder;
    this.#history = history;
    this.#log = createWriteStream(join(folder, `${settings.name}.log`), { flags: 'a' });
  }

  /** Address of the server while it listens. */
  get url(): string | undefined {
    return this.#url;
  }

  /** Number of the process while there is one. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Whether it has logged that it works. */
  get isUp(): boolean {
    return this.#url !== undefined;
  }

  /** Begins to run it, until `stop`. */
  start(): void {
    this.#ended = this.#run();
  }

  /** Kills the process, be it ready or starting. @returns once it has ended */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#asked = 'killed';
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }

  /** Asks it to end, and starts it no more. */
  async stop(): Promise<void> {
    this.#asked = 'stopped';
    this.#child?.kill('SIGTERM');
    await this.#ended;
    this.#log.end();
  }

  async #run(): Promise<void> {
    while (this.#asked !== 'stopped') {
      const at = this.#history.now();
      const child = this.#spawn();
      const [code, signal] = await once(child, 'exit');
      const wasReady = this.isUp;
      this.#child = undefined;
      this.#url = undefined;
      const until = this.#history.now();
      const { name: machine } = this;
      this.#history.add({ type: 'exit', machine, at, until, code: code ?? signal, asked: this.#asked, wasReady });
      if (this.#asked === 'killed') this.#asked = null;
      if (this.#asked === null) await delay(RESTART_MS);
    }
  }

  #spawn(): ChildProcess {
    const { role, environment, clockShiftMs } = this.#settings;
    const shifted = clockShiftMs === 0 ? {} : { NODE_OPTIONS: `--import ${CLOCK}`, CLOCK_SHIFT_MS: `${clockShiftMs}` };
    const child = spawn(process.execPath, [packageFile('dist', 'src', 'main.js'), role], {
      env: {
        ...process.env,
        PORT: '0',
        LOG_LEVEL: 'info',
        DATA_DIR: join(this.#folder, this.name),
        ...environment,
        ...shifted,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#log.write(`--- started at ${Math.round(this.#history.now())} ms\n`);
    let seen = '';
    const read = (piece: Buffer): void => {
      this.#log.write(piece);
      if (this.#url !== undefined || this.#child !== child) return;
      seen += piece.toString();
      const found = READY[role].exec(seen);
      if (found !== null) this.#url = role === 'serve' ? `http://127.0.0.1:${found[1]}` : '';
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    return child;
  }
}
