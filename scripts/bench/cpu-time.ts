import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks a second in `/proc/<pid>/stat`: 100 on every Linux that Node runs on. */
const TICKS = 100;

/**
 * CPU seconds that a process and its children have used so far, or undefined where there is no `/proc`.
 * Children that have ended are not counted.
 */
export function cpuSeconds(pid: number): { readonly own: number; readonly children: number } | undefined {
  try {
    let children = 0;
    for (const entry of readdirSync('/proc')) {
      if (!/^\d+$/.test(entry)) continue;
      const stat = readStat(Number(entry));
      if (stat?.parent === pid) children += stat.seconds;
    }
    return { own: readStat(pid)?.seconds ?? 0, children };
  } catch {
    return undefined;
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
