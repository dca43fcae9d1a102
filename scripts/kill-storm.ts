/** Kills the server again and again while it works, and checks what it holds after each restart. */
import { setTimeout as delay } from 'node:timers/promises';
import { ProgressBar } from '../src/command/progress-bar.ts';
import { messageOf } from '../src/common/errors.ts';
import { seededRandom } from '../src/common/random.ts';
import { readCommandLine, wholeNumber } from './command-line.ts';
import { type Action, changeAlias, fineTune, importOrRemove, removeVersion, watchJobs } from './kill-storm/actions.ts';
import { faultsAfterRestart, jobFaults, leftovers } from './kill-storm/checks.ts';
import { isFinished, Ledger } from './kill-storm/ledger.ts';
import { colouredPicture, colourZip } from './labelled-zip.ts';
import { childrenOf, type ServerProcess, startServer, temporaryDataDir, until, untilReady } from './server-process.ts';

const USAGE = `usage: npm run kill-storm -- [options]

Starts the server as a process, fine-tunes, changes aliases, imports and removes models, kills it
with SIGKILL at random moments, sometimes while it starts, and starts it again. Exits with 1 when
something that was acknowledged is lost, something half-written is listed, a job does not end as
it should, or leftovers remain.

  --kills <n>   times to kill the server (default: 30)
  --seed <n>    seed of the random numbers (default: 1)`;

/** A life of the server lasts up to this long after it listens, in milliseconds. */
const MAX_LIFE_MS = 6_000;
/** A server is killed up to this long after its start, in milliseconds. */
const MAX_START_MS = 2_000;
/** How long the jobs that are left may take at the end. */
const SETTLE_MS = 120_000;

const { kills, seed } = readCommandLine(
  USAGE,
  { kills: { type: 'string', default: '30' }, seed: { type: 'string', default: '1' } },
  ({ values }) => ({
    kills: wholeNumber('--kills', values.kills, 1),
    seed: wholeNumber('--seed', values.seed, 0),
  }),
);

const data = await temporaryDataDir();
const ledger = new Ledger();
const random = seededRandom(seed);
const picture = await colouredPicture('red', 3);
const zip = await colourZip(6);
const faults: string[] = [];

/** Repeats an action until the server is killed. */
async function repeat(action: Action, server: ServerProcess, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await action({ url: server.url, dataDir: data.path, zip, ledger, random, signal });
    } catch (thrown) {
      if (!signal.aborted) faults.push(`${action.name}: ${messageOf(thrown)}`);
    }
    await delay(50 + random.below(200));
  }
}

/** Kills a server before it listens, or a moment after. */
async function killWhileStarting(): Promise<void> {
  const ended = startServer(data.path).then(
    ({ exit }) => exit,
    () => undefined,
  );
  await delay(random.below(MAX_START_MS));
  for (const pid of childrenOf(process.pid)) process.kill(pid, 'SIGKILL');
  await ended;
}

async function checked(server: ServerProcess, life: string): Promise<void> {
  await untilReady(server);
  for (const fault of await faultsAfterRestart(server.url, ledger, picture)) faults.push(`${life}: ${fault}`);
}

const bar = new ProgressBar('kills');
try {
  for (let kill = 0; kill < kills; kill++) {
    if (kill % 3 === 2) await killWhileStarting();
    const server = await startServer(data.path);
    // Every fourth life ends before the server has been looked at, some before it is ready.
    if (kill % 4 !== 3) await checked(server, `life ${kill}`);
    const killed = new AbortController();
    const actions = [fineTune, watchJobs, changeAlias, removeVersion, importOrRemove];
    const done = Promise.all(actions.map((action) => repeat(action, server, killed.signal)));
    await delay(random.below(MAX_LIFE_MS));
    killed.abort();
    server.child.kill('SIGKILL');
    await server.exit;
    await done;
    ledger.endLife();
    bar.update(kill + 1, kills, `${ledger.jobs.size} jobs, ${faults.length} faults`);
  }
  const server = await startServer(data.path);
  await checked(server, 'last life');
  const deadline = performance.now() + SETTLE_MS;
  const { signal } = new AbortController();
  await until(async () => {
    await watchJobs({ url: server.url, dataDir: data.path, zip, ledger, random, signal });
    return [...ledger.jobs.values()].every(isFinished) || performance.now() > deadline;
  });
  await checked(server, 'at rest');
  faults.push(...jobFaults(ledger), ...(await leftovers(data.path)).map((path) => `left over: ${path}`));
  server.child.kill('SIGTERM');
  const code = await server.exit;
  if (code !== 0) faults.push(`SIGTERM: the server ended with ${code}`);
} finally {
  bar.end();
  // After an error, a server may still run.
  for (const pid of childrenOf(process.pid)) process.kill(pid, 'SIGKILL');
  await data.remove();
}
const published = [...ledger.versions.values()].filter((expected) => expected === 'present').length;
console.log(
  `${kills} kills, ${ledger.jobs.size} jobs, ${ledger.versions.size} versions (${published} left), ` +
    `${ledger.imports.size} imports`,
);
for (const fault of faults) console.log(fault);
console.log(faults.length === 0 ? 'no faults' : `${faults.length} faults`);
process.exitCode = faults.length === 0 ? 0 : 1;
