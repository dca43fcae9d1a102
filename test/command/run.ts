import { vi } from 'vitest';
import { runCommand } from '../../src/command/run-command.ts';

/** What a command printed, and its exit code. */
export interface Outcome {
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command in this process, as `menagerie ...args` without a terminal. */
export async function menagerie(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<Outcome> {
  const written = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((stream) =>
    vi.spyOn(process[stream], 'write').mockImplementation((chunk) => {
      written[stream] += String(chunk);
      return true;
    }),
  );
  try {
    const code = await runCommand({ args, environment, signal });
    return { code, ...written };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}
