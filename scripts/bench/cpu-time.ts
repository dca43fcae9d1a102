import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks per second in `/proc/<pid>/stat`: 100 on every Linux that Node.js supports. */
const TICKS = 100;

/**
 * Measures the CPU time of processes and of their children. The returned function gives the milliseconds since
 * `cpuMeter` was called. Children that end before are not counted. Without `/proc` the result is NaN.
 */
export function cpuMeter(processes: readonly ChildProcess[]): (whose: 'own' | 'children') => number {
  const read = () => processes.map(({ pid }) => cpuSeconds(pid ?? 0));
  const before = read();
  return (whose) =>
    read().reduce((sum, now, index) => sum + 1000 * (now[whose] - (before[index]?.[whose] ?? Number.NaN)), 0);
}

function cpuSeconds(pid: number): { readonly own: number; readonly children: number } {
  try {
    let children = 0;
    for (const entry of readdirSync('/proc')) {
      if (!/^\d+$/.test(entry)) continue;
      const stat = readStat(Number(entry));
      if (stat?.parent === pid) children += stat.seconds;
    }
    return { own: readStat(pid)?.seconds ?? 0, children };
  } catch {
    return { own: Number.NaN, children: Number.NaN };
  }
}

function readStat(pid: number): { parent: number; seconds: number } | undefined {
  try {
    // Fields after the name in parentheses (proc(5)): state, ppid, ..., utime is the 12th and stime the 13th of them.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return { parent: Number(fields[1]), seconds: (Number(fields[11]) + Number(fields[12])) / TICKS };
  } catch {
    return undefined;
  }
}
