import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { colouredPicture, colourZip } from '../../scripts/labelled-zip.ts';
import { seededRandom } from '../../src/common/random.ts';
import { move, promote, remove } from './clients/administrator.ts';
import { Auditor } from './clients/auditor.ts';
import { classify, classifyOnce, type Pictures } from './clients/classifier.ts';
import { type Client, Knowledge, MODELS } from './clients/client.ts';
import { followAll } from './clients/follower.ts';
import { list, listJobs, listOnce, watchHealth } from './clients/observer.ts';
import { cancel, train } from './clients/trainer.ts';
import { Inflicter, untilUp } from './faults/inflict.ts';
import type { Fault } from './faults/plan.ts';
import { History, type SeenModel } from './history.ts';
import { type Recovery, recover } from './recovery.ts';
import { bareClient, Cluster } from './world/cluster.ts';

/** What a run is made of. */
export interface StormOptions {
  readonly seed: number;
  readonly faults: readonly Fault[];
  /** For data, logs and the history. */
  readonly folder: string;
  /** Address of an S3 API that runs already; without it, one in memory is started. */
  readonly s3?: string;
  /** How long what comes after the last fault may take. */
  readonly recovery: Recovery;
  /** Moves of an alias at rest. */
  readonly movesAtRest: number;
  /** Told what happens, one line each. */
  readonly tell: (line: string) => void;
}

/** Random numbers of each client, apart from those of the moments and of the bucket. */
const FIRST_CLIENT_STREAM = 10;
/** Marks of submissions are different in each run, so that a mistake in one does not look like luck in another. */
const MARKS_A_RUN = 10_000;

/** Runs a cluster under load, lets faults happen to it, heals them, and lets it come to rest. */
export async function runStorm(options: StormOptions): Promise<History> {
  const { seed, folder, tell } = options;
  const history = new History();
  const cluster = await Cluster.start(folder, history, seed, options.s3);
  const s3 = bareClient(cluster.bare.endpoint);
  const acting = new AbortController();
  const watching = new AbortController();
  try {
    await Promise.all(cluster.machines.map(({ machine }) => untilUp(machine)));
    tell('everything is up');
    const known = new Knowledge();
    let streams = FIRST_CLIENT_STREAM;
    const client = (controller: AbortController): Client => ({
      servers: cluster.servers,
      history,
      known,
      random: seededRandom(seed, streams++),
      signal: controller.signal,
    });
    const pictures: Pictures = new Map([
      ['red', await colouredPicture('red', 3)],
      ['green', await colouredPicture('green', 4)],
      ['blue', await colouredPicture('blue', 5)],
    ]);
    const zips = [await colourZip(6), await colourZip(7), await colourZip(8)];
    const listed = new Map<string, readonly SeenModel[]>();
    const auditor = new Auditor(s3, cluster.bare, history);
    const watchers = [
      auditor.watch(watching.signal),
      followAll(client(watching)),
      ...cluster.servers.flatMap((server) => [
        list(client(watching), server, (models) => listed.set(server.name, models)),
        watchHealth(client(watching), server),
      ]),
    ];
    const actors = [
      train(client(acting), zips, 1 + seed * MARKS_A_RUN),
      cancel(client(acting)),
      remove(client(acting)),
      ...MODELS.map((model) => promote(client(acting), model)),
      ...[0, 1].map(() => classify(client(acting), pictures, (replica) => listed.get(replica) ?? [])),
    ];
    // An error in a client is one of ours, and ends the run at once.
    const broken = Promise.all([...watchers, ...actors]).then(() => new Promise<never>(() => {}));
    const whole = async (): Promise<void> => {
      await inflictAll(cluster, history, options, known);
      acting.abort();
      await Promise.all(actors);
      await recover(cluster, history, known, options.recovery, tell);
      const at = history.now();
      history.add({ type: 'rest', at, until: at });
      await moveAtRest(cluster, history, known, options.movesAtRest);
      for (const server of cluster.servers) {
        await listOnce({ history }, server);
        await listJobs({ history, known }, server);
      }
    };
    await Promise.race([whole(), broken]);
    watching.abort();
    await Promise.all(watchers);
    await consultReferee(cluster, history, folder, pictures);
    tell('everything is asked to end');
  } finally {
    acting.abort();
    watching.abort();
    await cluster.stop();
    s3.destroy();
    await history.save(join(folder, 'history.jsonl'));
  }
  return history;
}

async function inflictAll(
  cluster: Cluster,
  history: History,
  { faults, tell }: StormOptions,
  known: Knowledge,
): Promise<void> {
  const inflicter = new Inflicter(cluster, history);
  const healed: Promise<void>[] = [];
  for (const [index, fault] of faults.entries()) {
    await delay(fault.gapMs);
    const inflicted = inflicter.inflict(fault);
    healed.push(inflicted.healed);
    const seconds = Math.round(history.now() / 1000);
    const ended = known.jobs.size - known.unfinished().length;
    tell(
      `${`${index + 1}/${faults.length}`.padStart(7)} ${`${seconds} s`.padStart(7)}  ${inflicted.what}; ${ended} jobs have ended`,
    );
  }
  await Promise.all(healed);
}

/** Moves the alias of each model from version to version, on one server after the other. */
async function moveAtRest(cluster: Cluster, history: History, known: Knowledge, moves: number): Promise<void> {
  const { servers } = cluster;
  for (let index = 0; index < moves; index += 1) {
    const model = MODELS[index % MODELS.length] ?? MODELS[0];
    const versions = known.versionsOf(model);
    const version = versions[Math.floor(index / MODELS.length) % versions.length];
    const server = servers[index % servers.length];
    if (version !== undefined && server !== undefined) await move({ history, servers }, server, model, version);
  }
}

/** Lets a server classify by every version that is left, which has seen nothing of the run but the bucket. */
async function consultReferee(cluster: Cluster, history: History, folder: string, pictures: Pictures): Promise<void> {
  const referee = cluster.referee(folder, history);
  referee.start();
  try {
    await untilUp(referee);
    for (const { id, versions } of await listOnce({ history }, referee)) {
      for (const version of versions) {
        for (const picture of pictures.keys()) {
          await classifyOnce({ history }, referee, `${id}@${version}`, picture, pictures);
        }
      }
    }
  } finally {
    await referee.stop();
  }
}
