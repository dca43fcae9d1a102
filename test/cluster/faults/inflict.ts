import { setTimeout as delay } from 'node:timers/promises';
import { childrenOf } from '../../../scripts/server-process.ts';
import type { History } from '../history.ts';
import type { Cluster, LinkedMachine } from '../world/cluster.ts';
import type { Machine } from '../world/machine.ts';
import type { Fault } from './plan.ts';

/** How often one looks whether a machine is up, which has no event. */
const LOOK_EVERY_MS = 100;
/** The most milliseconds that Redis is down: it is started again as an init system does. */
const REDIS_DOWN_MS = 2_000;

/** A fault under way. */
export interface Inflicted {
  /** What was hit, for people. */
  readonly what: string;
  /** Resolves once it is healed, and what was killed is up again. */
  readonly healed: Promise<void>;
}

/** Makes faults happen. Those that hit the same thing at the same time wait for each other. */
export class Inflicter {
  readonly #cluster: Cluster;
  readonly #history: History;
  /** Ends of the faults of a thing, by its name. */
  readonly #busy = new Map<string, Promise<void>>();

  constructor(cluster: Cluster, history: History) {
    this.#cluster = cluster;
    this.#history = history;
  }

  inflict(fault: Fault): Inflicted {
    const { machines } = this.#cluster;
    const all = machines.map(({ machine }) => machine.name);
    const linked = at(machines, fault.target);
    switch (fault.kind) {
      case 'kill worker':
      case 'kill server': {
        const role = fault.kind === 'kill worker' ? 'worker' : 'serve';
        const alike = machines.map(({ machine }) => machine).filter((machine) => machine.role === role);
        // One that is always killed while it starts would never do anything.
        const up = alike.filter(({ isUp }) => isUp);
        const machine = at(up.length > 0 ? up : alike, fault.target);
        return { what: `${fault.kind}: ${machine.name}`, healed: this.#kill(fault, machine) };
      }
      case 'kill child': {
        const children = machines.flatMap(({ machine }) =>
          machine.pid === undefined ? [] : childrenOf(machine.pid).map((pid) => ({ machine, pid })),
        );
        if (children.length === 0) return { what: `${fault.kind}: there is none`, healed: Promise.resolve() };
        const { machine, pid } = at(children, fault.target);
        const end = this.#history.begin({ kind: fault.kind, targets: [machine.name], lost: 'child' });
        kill(pid);
        end();
        return { what: `${fault.kind}: ${pid} of ${machine.name}`, healed: Promise.resolve() };
      }
      case 'kill redis':
        return { what: fault.kind, healed: this.#alone('redis', () => this.#killRedis(fault, all)) };
      case 'redis paused':
        return { what: fault.kind, healed: this.#alone('redis', () => this.#pauseRedis(fault, all)) };
      case 'redis link':
      case 's3 link': {
        const what = `${fault.kind} ${fault.link}: ${linked.machine.name}`;
        const name = `${fault.kind} ${linked.machine.name}`;
        return { what, healed: this.#alone(name, () => this.#link(fault, linked)) };
      }
      default:
        return { what: `${fault.kind} (${fault.share})`, healed: this.#alone('s3', () => this.#s3(fault, all)) };
    }
  }

  async #alone(name: string, work: () => Promise<void>): Promise<void> {
    const turn = (this.#busy.get(name) ?? Promise.resolve()).then(work);
    this.#busy.set(name, turn);
    await turn;
  }

  async #kill({ kind }: Fault, machine: Machine): Promise<void> {
    const end = this.#history.begin({ kind, targets: [machine.name], lost: 'process' });
    await machine.kill();
    await untilUp(machine);
    end();
  }

  async #killRedis({ kind, lastsMs }: Fault, targets: readonly string[]): Promise<void> {
    const end = this.#history.begin({ kind, targets, lost: 'redis' });
    await this.#cluster.redis.kill();
    await delay(Math.min(lastsMs, REDIS_DOWN_MS));
    this.#cluster.redis.run();
    end();
  }

  async #pauseRedis({ kind, lastsMs }: Fault, targets: readonly string[]): Promise<void> {
    const end = this.#history.begin({ kind, targets, lost: 'redis' });
    this.#cluster.redis.pause();
    await delay(lastsMs);
    this.#cluster.redis.resume();
    end();
  }

  async #link({ kind, link, lastsMs }: Fault, linked: LinkedMachine): Promise<void> {
    const lost = kind === 'redis link' ? 'redis' : 's3';
    const end = this.#history.begin({ kind, targets: [linked.machine.name], lost });
    linked[lost].set(link);
    await delay(lastsMs);
    linked[lost].set('open');
    end();
  }

  async #s3(fault: Fault, targets: readonly string[]): Promise<void> {
    const end = this.#history.begin({ kind: fault.kind, targets, lost: 's3' });
    this.#cluster.gate.trouble(TROUBLES[fault.kind] ?? 'error', fault.share);
    await delay(fault.lastsMs);
    this.#cluster.gate.heal();
    end();
  }
}

const TROUBLES: Partial<Readonly<Record<Fault['kind'], 'error' | 'slow' | 'full' | 'lost'>>> = {
  's3 error': 'error',
  's3 slow': 'slow',
  's3 full': 'full',
  's3 lost': 'lost',
};

/** Kills a process, unless it has ended already. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {}
}

/** Waits until a machine works. */
export async function untilUp(machine: Machine): Promise<void> {
  while (!machine.isUp) await delay(LOOK_EVERY_MS);
}

function at<T>(things: readonly T[], index: number): T {
  const found = things[index % things.length];
  if (found === undefined) throw new Error('there is nothing to hit');
  return found;
}
