import { execFile } from 'node:child_process';

/** Options of `fork` that decide what runs a script. */
export interface Launch {
  readonly execPath: string;
  readonly execArgv: string[];
}

/** As this process was started, without its flags: a debugger's port, for one, is not for its children. */
export const USUAL_LAUNCH: Launch = { execPath: process.execPath, execArgv: [] };

/**
 * Bounds for the watchdog of a process in the background: on a busy machine it waits for a core for seconds, where one
 * that answers requests does not. Nobody waits for it so closely that a hang must be noticed sooner.
 */
export const BACKGROUND_LIMITS = { silenceLimitMs: 60_000, startLimitMs: 600_000 };

/** Programs that start another one so that it yields, the best first. */
const YIELDING = [
  // Linux, of util-linux or BusyBox: the policy `SCHED_IDLE` (sched(7)).
  ['chrt', '-i', '0'],
  ['nice', '-n', '19'],
];

/**
 * Where there is neither, such as on Windows, whose priorities are those of whole processes: the first that the process
 * does.
 */
const YIELDS_ITSELF = `data:text/javascript,import{setPriority}from'node:os';setPriority(19)`;

let found: Promise<Launch> | undefined;

/**
 * How to start a process all of whose threads, and children, compute only while nothing else wants the core; as usual
 * where the system has no means for that. A process that lowers its own priority (`os.setPriority`) does so for its main
 * thread alone on Linux, and the lowest `nice` is less than `SCHED_IDLE`: beside a fine-tune a minute, a server of two
 * cores that got 70 % of what it can answer had a 99th percentile of 1.1 to 1.3 s and refused 300 to 660 images a minute
 * with the former, 0.3 to 0.9 s and up to 276 with the latter, 0.1 to 0.6 s and up to 14 with `SCHED_IDLE`.
 */
export function backgroundLaunch(): Promise<Launch> {
  found ??= find();
  return found;
}

async function find(): Promise<Launch> {
  for (const [program = '', ...args] of YIELDING) {
    const execArgv = [...args, process.execPath];
    const works = await new Promise<boolean>((resolve) => {
      execFile(program, [...execArgv, '--version'], (error) => resolve(error === null));
    });
    if (works) return { execPath: program, execArgv };
  }
  return { ...USUAL_LAUNCH, execArgv: ['--import', YIELDS_ITSELF] };
}
