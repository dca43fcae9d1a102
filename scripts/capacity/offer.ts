import { cpuMeter } from '../bench/cpu-time.ts';
import type { OpenLoop } from '../bench/open-loop.ts';
import type { Way } from '../bench/way.ts';

/**
 * Offers requests to all servers at random times. @returns latencies, ascending, and the CPU time of the client for each
 * @throws Error when one is not answered with 200
 */
export async function offer(
  loop: OpenLoop,
  ways: readonly Way[],
  { model, rate, seconds }: { readonly model: string; readonly rate: number; readonly seconds: number },
): Promise<{ latencies: readonly number[]; clientMs: number }> {
  const cpu = cpuMeter([loop.child]);
  const latencies: number[] = [];
  let due = 0;
  const ports = ways.map(({ url = '' }) => Number(new URL(url).port));
  const task = { ports, path: `/classify?model=${model}`, rate, seconds, seed: 1, reportSeconds: seconds };
  for await (const report of loop.offer(task)) {
    due += report.due;
    latencies.push(...report.latencies);
    if (Object.keys(report.failures).length > 0) {
      throw new Error(`unexpected answers: ${JSON.stringify(report.failures)}`);
    }
  }
  return { latencies: latencies.sort((a, b) => a - b), clientMs: cpu('own') / due };
}
