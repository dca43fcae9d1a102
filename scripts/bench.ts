/**
 * Measures the server under load, beside what the machine can do and beside other servers of the same model:
 *
 * - floor: libjpeg-turbo, a resize in C and ONNX Runtime in Python, without any server (scripts/bench/machine-floor.ts)
 * - inner: our own decoding and sessions called directly, one process for each core (scripts/bench/floor-process.ts)
 * - plain: decode and `session.run` inside an Express handler, default options (scripts/bench/plain-server.ts)
 * - resting: the same, but the runtime's threads sleep between two runs, instead of keeping a core busy
 * - fastapi, litserve: servers in Python with Pillow and ONNX Runtime (scripts/bench/peers.ts)
 * - ours: the server of `npm start` over HTTP
 *
 * They take turns within each round, and ratios are computed within a round, so that changes of the machine's speed
 * affect all of them alike. Each is under load for a while first: V8 compiles the code of a server during its first
 * thousands of requests, which costs 6 % of the CPU. Where a way has settings, a short trial of each chooses the best
 * at that concurrency.
 */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createLogger } from '../src/common/logger.ts';
import { readConfig } from '../src/config.ts';
import { createServices } from '../src/services.ts';
import { expectSameAnswers } from './bench/agreement.ts';
import type { BenchModel } from './bench/bench-model.ts';
import { start } from './bench/child.ts';
import { startInnerFloor } from './bench/inner-floor.ts';
import { Journal } from './bench/journal.ts';
import { createLoad } from './bench/load.ts';
import { floorCandidates } from './bench/machine-floor.ts';
import { fastapiCandidates, litserveCandidates } from './bench/peers.ts';
import { loadPhotos, writePhotos } from './bench/photos.ts';
import { missingParts, type PythonPart } from './bench/python.ts';
import { report } from './bench/report.ts';
import { startOurs, startPlain } from './bench/served.ts';
import { openBest, type Way } from './bench/way.ts';
import { expectEnd, oneOf, readCommandLine, wholeNumber } from './command-line.ts';

const PHOTOS = existsSync('../shared/data/photos') ? '../shared/data/photos' : '';
const MODELS = 'resnet18_slim.tiny200,vgg11_bn_slim.tiny200,inception_v1_slim.tiny200';
const WAYS = ['floor', 'inner', 'plain', 'resting', 'fastapi', 'litserve', 'ours'] as const;

type WayName = (typeof WAYS)[number];

const USAGE = `usage: npm run bench [-- options]

Measures throughput and latency of the server under load, in comparison with
  floor      libjpeg-turbo, a resize in C and ONNX Runtime, without a server (Python with Pillow)
  inner      our own decoding and sessions, called directly
  plain      decode and session.run inside an Express handler
  resting    the same, with threads that sleep between two runs
  fastapi    FastAPI with a thread pool, Pillow and ONNX Runtime
  litserve   LitServe with batches, Pillow and ONNX Runtime

  --models <name,...>      models to measure (default: the three embedded models)
  --concurrency <n,...>    concurrent requests (default: 1,8,64)
  --ways <name,...>        what to measure (default: all, and always ours)
  --seconds <n>            duration of one measurement (default: 4)
  --rounds <n>             measurements of each, taken in turns (default: 3);
                           0 prints what --json has
  --warm-up <n>            seconds of load before the first measurement (default: 10)
  --body <kind>            form (multipart, the default) or raw; LitServe always gets a form
  --photos <folder>        JPEGs to send (default: made-up pictures)
  --python <path>          Python for floor, fastapi and litserve
                           (default: PYTHON or python3); "" for none
  --json <file>            adds each measurement as a line of JSON; later runs take the settings
                           in it, and print the medians of all that is in it`;

const options = readCommandLine(
  USAGE,
  {
    models: { type: 'string', default: MODELS },
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '3' },
    'warm-up': { type: 'string', default: '10' },
    concurrency: { type: 'string', default: '1,8,64' },
    ways: { type: 'string', default: WAYS.join(',') },
    body: { type: 'string', default: 'form' },
    photos: { type: 'string', default: PHOTOS },
    python: { type: 'string', default: process.env['PYTHON'] ?? 'python3' },
    json: { type: 'string' },
  },
  ({ values, positionals }) => {
    expectEnd(positionals);
    return {
      models: values.models.split(','),
      concurrencies: values.concurrency.split(',').map((text) => wholeNumber('--concurrency', text, 1)),
      ways: new Set<WayName>([...values.ways.split(',').map((name) => oneOf('--ways', name, WAYS)), 'ours']),
      seconds: wholeNumber('--seconds', values.seconds, 1),
      rounds: wholeNumber('--rounds', values.rounds, 0),
      warmUpSeconds: wholeNumber('--warm-up', values['warm-up'], 1),
      body: oneOf('--body', values.body, ['form', 'raw']),
      photos: values.photos === '' ? undefined : resolve(values.photos),
      python: values.python,
      json: values.json,
    };
  },
);
const { seconds, rounds, warmUpSeconds, python } = options;
const run = new Date().toISOString();
const journal = await Journal.open(options.json);

/** Opens everything that is measured for a model at a concurrency, each with its best setting. */
async function openWays(model: BenchModel, concurrency: number, missing: Missing): Promise<Map<WayName, Way>> {
  const best = (way: PythonPart, candidates: Parameters<typeof openBest>[0]) =>
    openBest(candidates, concurrency, journal.setting(model.name, concurrency, way));
  const open: Record<WayName, () => Promise<Way>> = {
    floor: () => best('floor', floorCandidates(python, model, photos, concurrency)),
    inner: () => startInnerFloor(model, photos, concurrency),
    plain: () => startPlain(model, load),
    resting: () => startPlain(model, load, 'resting'),
    fastapi: () => best('fastapi', fastapiCandidates(python, model, load)),
    litserve: () => best('litserve', litserveCandidates(python, model, loadForms, concurrency)),
    ours: async () => ours.serve(model.name, load),
  };
  const ways = new Map<WayName, Way>();
  for (const name of WAYS) {
    if (options.ways.has(name) && !(name in missing)) ways.set(name, await open[name]());
  }
  return ways;
}

type Missing = Partial<Record<WayName, string>>;

async function measure(model: BenchModel, concurrency: number, ways: ReadonlyMap<WayName, Way>): Promise<void> {
  const our = ways.get('ours')?.url;
  const all = await loadPhotos(photos);
  for (const [name, { url }] of ways) {
    if (url !== undefined && our !== undefined && name !== 'ours') await expectSameAnswers(all, our, url);
  }
  for (const way of ways.values()) await way.measure(concurrency, warmUpSeconds);
  for (let round = 0; round < rounds; round++) {
    for (const [name, way] of ways) {
      const measurement = await way.measure(concurrency, seconds);
      if (name === 'ours' && Object.keys(measurement.failures ?? {}).length > 0) {
        throw new Error(`unexpected answers: ${JSON.stringify(measurement.failures)}`);
      }
      const where = { run, round, model: model.name, concurrency, way: name, setting: way.setting };
      await journal.add(where, measurement);
    }
  }
}

function print(model: string, concurrency: number): void {
  const entries = journal.of(model, concurrency);
  const count = new Set(entries.map((entry) => `${entry.run} ${entry.round}`)).size;
  console.log(`\n${model}, ${concurrency} concurrent, ${count} rounds`);
  for (const line of report(entries)) console.log(line);
}

if (rounds === 0) {
  for (const model of options.models) for (const concurrency of options.concurrencies) print(model, concurrency);
  process.exit();
}

const workDir = await mkdtemp(join(tmpdir(), 'menagerie-bench-'));
// With DATA_DIR the user's own models can be measured; otherwise a temporary folder leaves nothing behind.
const dataDir = process.env['DATA_DIR'] ?? join(workDir, 'data');
const photos = join(workDir, 'photos');
await mkdir(photos);
await writePhotos(options.photos, photos);
const missing: Missing = await missingParts(python);
for (const [part, reason] of Object.entries(missing)) {
  if (options.ways.has(part as WayName)) console.log(`without ${part}: ${reason}`);
}
const client = start('load-client.js', [photos]);
await once(client, 'message');
const load = createLoad(client, options.body);
const loadForms = createLoad(client, 'form');
console.log(
  `${cpus()[0]?.model.trim()} x ${availableParallelism()}, Node ${process.version}; ${rounds} rounds of ${seconds} s each`,
);
const services = await createServices(readConfig({ DATA_DIR: dataDir }), createLogger('silent'));
const ours = await startOurs(dataDir);
// The other processes end by themselves when this one has gone.
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => {
    ours.child.kill();
    process.exit(code);
  });
}
try {
  for (const name of options.models) {
    const version = services.registry.resolve(name);
    const { onnx } = await services.conversions.get(version);
    const { preprocessing, labels } = version.manifest;
    const model = { name, onnxPath: onnx.path, preprocessing, labels: labels.map(({ label }) => label) };
    for (const concurrency of options.concurrencies) {
      const ways = await openWays(model, concurrency, missing);
      await measure(model, concurrency, ways);
      print(name, concurrency);
      for (const way of ways.values()) way.close();
    }
  }
} finally {
  ours.child.kill();
  client.disconnect();
  await services.close();
  await rm(workDir, { recursive: true, force: true });
}
