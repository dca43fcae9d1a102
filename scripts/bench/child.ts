import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** Starts a script of this folder as a process that answers messages. */
export function start(script: string, args: readonly string[] = []): ChildProcess {
  return fork(join(import.meta.dirname, script), args, { serialization: 'advanced' });
}

/** Sends a message and waits for the reply. @throws when the process ends instead */
export async function ask<Reply>(child: ChildProcess, message: object | string): Promise<Reply> {
  const settled = new AbortController();
  const { signal } = settled;
  const ended = once(child, 'exit', { signal }).then(([code]) => {
    throw new Error(`a process of the benchmark ended with code ${code}`);
  });
  child.send(message);
  const [reply] = await Promise.race([once(child, 'message', { signal }), ended]);
  settled.abort();
  return reply as Reply;
}
