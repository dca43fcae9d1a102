import { readFileSync } from 'node:fs';
import { errnoOf } from './durable-files.ts';

/**
 * Start time in clock ticks since boot (field 22 of `/proc/<pid>/stat`, proc(5)); `0` where there is no `/proc`,
 * `ended` for a process that ended but still waits for its parent.
 * It tells a process from a later one with the same id: in containers the same few ids come back at every start.
 */
function startedAt(pid: number): string {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return '0';
  }
  // The second field is the program's name in parentheses, which may itself hold spaces and parentheses.
  const fromThird = stat.replace(/^.*\) /s, '').split(' ');
  return fromThird[0] === 'Z' ? 'ended' : (fromThird[19] ?? '0');
}

/** Names this process for a file that outlives it: `<pid>-<start time>`. */
export function processStamp(): string {
  return `${process.pid}-${startedAt(process.pid)}`;
}

/** Whether the process that `processStamp` named still runs on this machine. Any other text names nobody. */
export function isRunning(stamp: string): boolean {
  const [, pid, start] = /^([1-9]\d{0,9})-(\d+)$/.exec(stamp) ?? [];
  if (pid === undefined) return false;
  try {
    process.kill(Number(pid), 0);
  } catch (thrown) {
    // EPERM: it is there, under another user.
    if (errnoOf(thrown) !== 'EPERM') return false;
  }
  return startedAt(Number(pid)) === start;
}
