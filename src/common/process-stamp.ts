import { readFileSync, readlinkSync } from 'node:fs';
import { errnoOf } from './durable-files.ts';

/**
 * Start time in clock ticks since boot (field 22 of `/proc/<pid>/stat`, proc(5)), which tells a process from a later
 * one with the same id; `0` where there is no `/proc`, `ended` for a zombie.
 */
function startedAt(pid: number): string {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return '0';
  }
  // The second field is the name of the program in parentheses, and may contain spaces and parentheses.
  const fromThird = stat.replace(/^.*\) /s, '').split(' ');
  return fromThird[0] === 'Z' ? 'ended' : (fromThird[19] ?? '0');
}

/** Number of this process's PID namespace, in which containers differ; `0` where there is no `/proc`. */
function pidNamespace(): string {
  try {
    return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
  } catch {
    return '0';
  }
}

/** Identifies this process in a file that may outlive it: `<pid>-<start time>-<PID namespace>`. */
export function processStamp(): string {
  return `${process.pid}-${startedAt(process.pid)}-${pidNamespace()}`;
}

/**
 * Whether the process of a stamp runs on this machine. One of another container, whose processes cannot be seen,
 * counts as running: what must be certain takes a `lockFolder` instead. Texts that are no stamps are not running.
 */
export function isRunning(stamp: string): boolean {
  const [, pid, start, namespace] = /^([1-9]\d{0,9})-(\d+)-(\d+)$/.exec(stamp) ?? [];
  if (pid === undefined) return false;
  if (namespace !== pidNamespace()) return true;
  try {
    process.kill(Number(pid), 0);
  } catch (thrown) {
    // EPERM: it exists, but belongs to another user.
    if (errnoOf(thrown) !== 'EPERM') return false;
  }
  return startedAt(Number(pid)) === start;
}
