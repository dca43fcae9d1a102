import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks per second in `/proc/<pid>/stat`: 100 on every Linux that Node.js supports. */
const TICKS = 100;

/**
 * Measures the CPU time of processes and of all that they have started. The returned function gives the milliseconds
 * since `cpuMeter` was called. Processes that end before are not counted. Without `/proc` the result is NaN.
 */
export function cpuMeter(processes: readonly ChildProcess[]): (whose: 'own' | 'descendants') => number {
  const read = () => processes.map(({ pid }) => cpuSeconds(pid ?? 0));
  const before = read();
  return (whose) =>
    read().reduce((sum, now, index) => sum + 1000 * (now[whose] - (before[index]?.[whose] ?? Number.NaN)), 0);
}

/** CPU time of the main thread of a process so far, in milliseconds: that of the event loop in Node.js. NaN without `/proc`. */
export function threadCpuMs(pid: number): number {
  return 1000 * (readStat(pid, `/proc/${pid}/task/${pid}/stat`)?.seconds ?? Number.NaN);
}

function cpuSeconds(root: number): { readonly own: number; readonly descendants: number } {
  try {
    const processes = readdirSync('/proc')
      .filter((entry) => /^\d+$/.test(entry))
      .flatMap((entry) => readStat(Number(entry)) ?? []);
    const below = (pid: number): number =>
      processes.reduce((sum, each) => sum + (each.parent === pid ? each.seconds + below(each.pid) : 0), 0);
    return { own: readStat(root)?.seconds ?? 0, descendants: below(root) };
  } catch {
    return { own: Number.NaN, descendants: Number.NaN };
  }
}

function readStat(
  pid: number,
  file = `/proc/${pid}/stat`,
): { pid: number; parent: number; seconds: number } | undefined {
  try {
    // Fields after the name in parentheses (proc(5)): state, ppid, ..., utime is the 12th and stime the 13th of them.
    const fields = readFileSync(file, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return { pid, parent: Number(fields[1]), seconds: (Number(fields[11]) + Number(fields[12])) / TICKS };
  } catch {
    return undefined;
  }
}
