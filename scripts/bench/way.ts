import type { Measurement } from './measurement.ts';

/** Something to measure: a way to serve a model. */
export interface Way {
  /** How it was set up, such as "2 workers, batches of 8"; empty where there is nothing to choose. */
  readonly setting: string;
  /** Where it takes photos; absent where it is no server. */
  readonly url?: string;
  measure(concurrency: number, seconds: number): Promise<Measurement>;
  close(): void;
}

/** A setting among others that a way may have. */
export interface Candidate {
  readonly setting: string;
  open(): Promise<Way>;
}

/** Seconds of the measurements that choose a setting. */
const TRIAL_SECONDS = 1;

/**
 * Opens the way with the setting that serves most images at a concurrency.
 * @param known the setting that an earlier run has chosen, which is taken without trying the others
 */
export async function openBest(
  candidates: readonly Candidate[],
  concurrency: number,
  known: string | undefined,
): Promise<Way> {
  const chosen = candidates.find(({ setting }) => setting === known);
  if (chosen !== undefined) return chosen.open();
  let best: { readonly candidate: Candidate; readonly throughput: number } | undefined;
  for (const candidate of candidates) {
    const way = await candidate.open();
    const { throughput } = await way.measure(concurrency, TRIAL_SECONDS);
    way.close();
    console.log(`  trial: ${candidate.setting}: ${throughput.toFixed(0)} images/s`);
    if (best === undefined || throughput > best.throughput) best = { candidate, throughput };
  }
  if (best === undefined) throw new Error('there is no setting to choose from');
  return best.candidate.open();
}
