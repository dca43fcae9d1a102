import type { Random } from '../../../src/common/random.ts';
import type { LinkState } from '../world/tcp-link.ts';

/** What can happen at a moment. */
export const FAULT_KINDS = [
  'kill worker',
  'kill server',
  'kill child',
  'kill redis',
  'redis paused',
  'redis link',
  's3 link',
  's3 error',
  's3 slow',
  's3 full',
  's3 lost',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** One moment of a run. */
export interface Fault {
  readonly kind: FaultKind;
  /** Milliseconds after the fault before. */
  readonly gapMs: number;
  /** Milliseconds until it is healed. */
  readonly lastsMs: number;
  /** Which of the machines, of those of the role, or of the children: a number that is taken modulo their count. */
  readonly target: number;
  /** What becomes of a link. */
  readonly link: Exclude<LinkState, 'open'>;
  /** Share of the requests that a trouble of S3 hits. */
  readonly share: number;
}

/** How often each kind comes, as weights. `redis paused` has a number of its own. */
const WEIGHTS: Readonly<Record<FaultKind, number>> = {
  'kill worker': 20,
  'kill server': 18,
  'kill child': 12,
  'kill redis': 14,
  'redis paused': 0,
  'redis link': 8,
  's3 link': 8,
  's3 error': 6,
  's3 slow': 4,
  's3 full': 5,
  's3 lost': 5,
};
const LINKS = ['paused', 'cut', 'slow'] as const;
const PAUSED_MS = 30_000;
/** One pause of Redis in so many moments. */
const PAUSED_EVERY = 50;

/** Mean milliseconds between moments, and the longest that a fault lasts, other than a pause of Redis. */
export interface Pace {
  readonly gapMs: number;
  readonly lastsMs: number;
}

/** The moments of a run. The same seed gives the same moments. */
export function planFaults(random: Random, moments: number, pace: Pace): Fault[] {
  const total = Object.values(WEIGHTS).reduce((sum, weight) => sum + weight, 0);
  const draw = (): FaultKind => {
    let left = random.below(total);
    const found = FAULT_KINDS.find((kind) => {
      left -= WEIGHTS[kind];
      return left < 0;
    });
    return found ?? 'kill worker';
  };
  return Array.from({ length: moments }, (_, moment) => {
    const isPause = moment % PAUSED_EVERY === Math.floor(PAUSED_EVERY / 2);
    const kind = isPause ? 'redis paused' : draw();
    return {
      kind,
      gapMs: Math.round(pace.gapMs * (0.25 + 1.5 * random.next())),
      lastsMs: isPause ? PAUSED_MS : Math.round(pace.lastsMs * (0.1 + 0.9 * random.next())),
      target: random.below(12),
      link: LINKS[random.below(LINKS.length)] ?? 'cut',
      share: random.next() < 0.6 ? 1 : 0.5,
    };
  });
}
