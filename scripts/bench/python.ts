import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** What the Python programs of this folder need, by the part of the benchmark. */
const NEEDS = {
  floor: ['onnxruntime', 'numpy', 'PIL'],
  fastapi: ['onnxruntime', 'numpy', 'PIL', 'fastapi', 'uvicorn', 'python_multipart'],
  litserve: ['onnxruntime', 'numpy', 'PIL', 'litserve', 'python_multipart'],
} as const;

export type PythonPart = keyof typeof NEEDS;

/** Milliseconds in which a Python server must begin to answer. */
const START_LIMIT_MS = 30_000;

/**
 * Which parts of the benchmark a Python cannot run, and what each lacks.
 * @param python the command of a Python; empty for none
 */
export async function missingParts(python: string): Promise<Partial<Record<PythonPart, string>>> {
  const missing: Partial<Record<PythonPart, string>> = {};
  for (const part of Object.keys(NEEDS) as PythonPart[]) {
    if (python === '') missing[part] = 'Python was not asked for';
    else {
      const code = `import importlib.util; print(*[m for m in ${JSON.stringify(NEEDS[part])} if not importlib.util.find_spec(m)])`;
      const lacks = await promisify(execFile)(python, ['-c', code]).then(
        ({ stdout }) => stdout.trim(),
        () => undefined,
      );
      if (lacks === undefined) missing[part] = `"${python}" cannot be run`;
      else if (lacks !== '') missing[part] = `"${python}" has no ${lacks.split(' ').join(', ')}`;
    }
  }
  return missing;
}

function scriptPath(name: string): string {
  return fileURLToPath(new URL(`../../../scripts/bench/${name}`, import.meta.url));
}

/** A process of scripts/bench/floor_process.py. */
export class FloorProcess {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  /** @param photos folder of the photos, and of nothing else */
  constructor(python: string, photos: string) {
    this.#process = spawn(python, [scriptPath('floor_process.py'), photos], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#process.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  }

  async ask<Result>(task: object): Promise<Result> {
    this.#process.stdin?.write(`${JSON.stringify(task)}\n`);
    const { value } = await this.#lines.next();
    if (value === undefined) throw new Error('the Python process of the floor ended');
    return JSON.parse(value as string) as Result;
  }

  close(): void {
    this.#process.stdin?.end();
  }
}

/**
 * Starts a server of this folder that is written in Python, and waits until it answers. It makes a process group of its
 * own, which `stopServer` ends; it also ends when this process is gone. It is no session of its own (`detached`): the
 * kernel shares the cores among sessions, whatever the priorities within them.
 */
export async function startPythonServer(python: string, script: string, task: { readonly port: number }) {
  const child = spawn(python, [scriptPath(script)], {
    env: { ...process.env, BENCH_TASK: JSON.stringify(task) },
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  const exited = once(child, 'exit').then(([code]) => {
    throw new Error(`${script} ended with code ${code}`);
  });
  exited.catch(() => undefined);
  const deadline = performance.now() + START_LIMIT_MS;
  const answers = () =>
    fetch(`http://127.0.0.1:${task.port}/`).then(
      ({ status }) => status < 500,
      () => false,
    );
  while (!(await Promise.race([answers(), exited]))) {
    if (performance.now() > deadline) throw new Error(`${script} does not answer`);
    await setTimeout(100);
  }
  return child;
}

/** Ends a server and all processes that it has started. */
export function stopServer({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
