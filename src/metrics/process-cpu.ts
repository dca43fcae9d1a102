import { readFile } from 'node:fs/promises';

/** CPU seconds of one process, or of several that share a name. */
export interface ProcessCpu {
  readonly process: string;
  readonly seconds: number;
}

/** Linux counts time in hundredths of a second, whatever its own clock does. */
const TICKS_PER_SECOND = 100;

/**
 * CPU time of this process, of its engines, and of its other children, with those that have ended, as `others`. Without
 * Linux's /proc only that of this process is known.
 */
export async function processCpu(
  engines: readonly { readonly index: number; readonly pid: number | undefined }[],
): Promise<ProcessCpu[]> {
  const { user, system } = process.cpuUsage();
  const server = { process: 'server', seconds: (user + system) / 1e6 };
  const own = await readTimes(process.pid);
  if (own === undefined) return [server];
  const isEngine = new Set(engines.map(({ pid }) => pid));
  const others = (await childrenOf(process.pid)).filter((pid) => !isEngine.has(pid));
  const running = await Promise.all(others.map(async (pid) => (await readTimes(pid))?.own ?? 0));
  const ofEngines = await Promise.all(
    engines.map(async ({ index, pid }) => ({
      process: `engine-${index}`,
      seconds: pid === undefined ? 0 : ((await readTimes(pid))?.own ?? 0),
    })),
  );
  return [server, ...ofEngines, { process: 'others', seconds: running.reduce((a, b) => a + b, own.ended) }];
}

/** Seconds of a process, and of its children that have ended; undefined when it is gone. */
async function readTimes(pid: number): Promise<{ readonly own: number; readonly ended: number } | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => undefined);
  // The name of the program, in parentheses, may hold anything; 11 fields lie between it and the times.
  const times = stat
    ?.slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 15)
    .map((ticks) => Number(ticks) / TICKS_PER_SECOND);
  const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = times ?? [];
  return times && { own: user + system, ended: endedUser + endedSystem };
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'latin1').catch(() => '');
  return text.split(' ').filter(Boolean).map(Number);
}
