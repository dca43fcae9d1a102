import { type Fact, factsOf, type Outage } from './history.ts';
import type { Violation } from './oracle/violation.ts';

/** One thing that is wrong has many others in its train. */
const MOST_SHOWN = 40;

/** The figures of a run, as lines for people. */
export function report(facts: readonly Fact[], violations: readonly Violation[]): string[] {
  const outages = factsOf(facts, 'outage');
  const kinds = countBy(outages, ({ kind }) => kind);
  return [
    '',
    `${outages.length} moments                  times   seconds until it works: median  worst   of`,
    ...[...kinds].map(([kind, count]) => {
      const times = recoveriesOf(facts, kind);
      const words =
        times.length === 0 ? [] : [seconds(median(times)), seconds(Math.max(...times)), String(times.length)];
      const [middle = '-', worst = '-', of = '0'] = words;
      return `  ${kind.padEnd(22)} ${String(count).padStart(9)} ${middle.padStart(32)} ${worst.padStart(6)} ${of.padStart(4)}`;
    }),
    '',
    'answers                       as wanted   refused   none',
    ...answers(facts),
    '',
    `jobs                          ${words(countBy(lastJobs(facts), ({ state, failure }) => failure ?? state))}`,
    `followed                      ${factsOf(facts, 'follow').length} connections, ${events(facts)} events`,
    `seen in the bucket            ${factsOf(facts, 'audit').length} times, ${versions(facts)} versions`,
    ...recovered(facts),
    ...shown(facts),
    '',
    ...violations.slice(0, MOST_SHOWN).map(({ rule, at, detail }) => `${seconds(at)} s  ${rule}: ${detail}`),
    ...(violations.length > MOST_SHOWN ? ['...'] : []),
    violations.length === 0 ? 'no violations' : `${violations.length} violations`,
  ];
}

/** Milliseconds from the end of outages of a kind until all was in order, where nothing else happened meanwhile. */
export function recoveriesOf(facts: readonly Fact[], kind: string): number[] {
  const outages = factsOf(facts, 'outage');
  const healths = factsOf(facts, 'health');
  return outages
    .filter((outage) => outage.kind === kind)
    .flatMap((outage) => {
      if (outage.lost === 'process') return Number.isFinite(outage.until) ? [outage.until - outage.at] : [];
      const servers = new Set(healths.map(({ replica }) => replica).filter((name) => outage.targets.includes(name)));
      const times = [...servers].map((server) => inOrderFrom(server, outage.until));
      const at = Math.max(...times);
      const isAlone = !outages.some(
        (other) =>
          other !== outage &&
          other.at <= at &&
          other.until >= outage.at &&
          other.targets.some((target) => servers.has(target)),
      );
      return isAlone && Number.isFinite(at) && times.length > 0 ? [at - outage.until] : [];
    });

  function inOrderFrom(server: string, time: number): number {
    const own = healths.filter(({ replica }) => replica === server);
    const isWell = (health: (typeof own)[number]) => health.answer.status === 200 && health.warnings.length === 0;
    const before = own.findLast(({ until }) => until <= time);
    if (before !== undefined && isWell(before)) return time;
    return own.find((health) => health.until > time && isWell(health))?.until ?? Number.POSITIVE_INFINITY;
  }
}

function answers(facts: readonly Fact[]): string[] {
  const calls = facts.flatMap((fact) => ('answer' in fact && fact.type !== 'health' ? [fact] : []));
  return [...countBy(calls, ({ type }) => type)].map(([type]) => {
    const own = calls.filter((call) => call.type === type).map(({ answer }) => answer.status);
    const wanted = own.filter((status) => status >= 200 && status < 300).length;
    const none = own.filter((status) => status === 0).length;
    const cells = [wanted, own.length - wanted - none, none].map(String);
    return `  ${type.padEnd(27)} ${cells[0]?.padStart(9)} ${cells[1]?.padStart(9)} ${cells[2]?.padStart(6)}`;
  });
}

function lastJobs(facts: readonly Fact[]) {
  const jobs = factsOf(facts, 'jobs').flatMap((list) => list.jobs);
  return [...new Map(jobs.map((job) => [job.id, job])).values()];
}

function events(facts: readonly Fact[]): number {
  return factsOf(facts, 'follow').reduce((sum, follow) => sum + follow.events.length, 0);
}

function versions(facts: readonly Fact[]): number {
  const last = factsOf(facts, 'audit').at(-1)?.numbers ?? [];
  return last.filter(({ state }) => state !== 'reserved').length;
}

function recovered(facts: readonly Fact[]): string[] {
  return factsOf(facts, 'recovered').map(
    ({ what, ms }) => `after the last fault          ${what}: ${ms === null ? 'never' : `${seconds(ms)} s`}`,
  );
}

/** How fast moved aliases were shown, with and without faults at the time. */
function shown(facts: readonly Fact[]): string[] {
  const all = factsOf(facts, 'shown');
  const outages = factsOf(facts, 'outage');
  const isCalm = ({ at, until }: { at: number; until: number }) =>
    !outages.some((outage: Outage) => outage.at <= until && outage.until >= at);
  return [
    distribution('aliases shown, in calm', all.filter(isCalm)),
    distribution(
      'aliases shown, in faults',
      all.filter((each) => !isCalm(each)),
    ),
  ];
}

function distribution(what: string, shown: readonly { readonly ms: number | null }[]): string {
  const times = shown.flatMap(({ ms }) => (ms === null ? [] : [ms])).sort((a, b) => a - b);
  if (times.length === 0) return `${what.padEnd(29)} none`;
  const at = (share: number) => seconds(times[Math.min(times.length - 1, Math.floor(share * times.length))] ?? 0);
  const late = times.filter((ms) => ms > 2_000).length;
  const parts = [`${shown.length}: median ${at(0.5)} s, 95 % ${at(0.95)} s, worst ${at(1)} s`, `${late} after 2 s`];
  return `${what.padEnd(29)} ${parts.join(', ')}, ${shown.length - times.length} not within 15 s`;
}

function countBy<T>(things: readonly T[], of: (thing: T) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const thing of things) counts.set(of(thing), (counts.get(of(thing)) ?? 0) + 1);
  return counts;
}

function words(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([what, count]) => `${count} ${what}`).join(', ');
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1);
}
