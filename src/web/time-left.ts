/** Share of the work before which its speed says little. */
const KNOWN_SHARE = 0.05;
/** Time before which it says little, in milliseconds. */
const KNOWN_MS = 3_000;

/**
 * Whether the time that is left can be told from the speed so far.
 * @param share of the work that is done, 0..1 @param elapsedMs since it began
 */
export function isTellable(share: number, elapsedMs: number): boolean {
  return share >= KNOWN_SHARE && elapsedMs >= KNOWN_MS;
}

/** The seconds that are left at the speed so far; undefined while that cannot be told. */
export function secondsLeft(share: number, elapsedMs: number): number | undefined {
  if (!isTellable(share, elapsedMs)) return undefined;
  return ((elapsedMs / 1_000) * (1 - share)) / share;
}
