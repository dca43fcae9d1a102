#!/usr/bin/env -S node --initial-old-space-size=128
/** The process: reads the environment and the arguments, handles signals and exits. No other module does. */

/** Exit codes by convention: 128 plus the number of the signal. */
const SIGNAL_EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;
/** The same for a reader of standard output that has gone, as `head` does: SIGPIPE. */
const PIPE_EXIT_CODE = 141;

/**
 * Milliseconds in which further signals count as the first one. A signal to the process group arrives directly, and a
 * second time from npm, which passes it on.
 */
const SIGNAL_GRACE_MS = 1_000;

const stopping = new AbortController();
let stoppedBy: keyof typeof SIGNAL_EXIT_CODES | undefined;
let stoppingSince = 0;

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    if (stoppedBy === undefined) {
      stoppedBy = signal;
      stoppingSince = performance.now();
      stopping.abort(new Error(`stopped by ${signal}`));
    } else if (performance.now() - stoppingSince >= SIGNAL_GRACE_MS) {
      console.error(`stopped at once by a second ${signal}: what was running is lost`);
      process.exit(SIGNAL_EXIT_CODES[signal]);
    }
  });
}
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(PIPE_EXIT_CODE);
  throw error;
});

// Loaded once signals are handled: as PID 1 of a container a process ignores signals that it does not handle.
const { runCommand } = await import('./command/run-command.ts');
const code = await runCommand({
  args: process.argv.slice(2),
  environment: process.env,
  signal: stopping.signal,
});
// Only after everything is written: an exit cuts what waits for a slow reader.
process.stdout.write('', () => process.exit(code ?? SIGNAL_EXIT_CODES[stoppedBy ?? 'SIGINT']));
