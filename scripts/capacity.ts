/** Says how many machines a load needs and what they cost, from figures that are measured here. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { percentile } from './bench/measurement.ts';
import { writePhotos } from './bench/photos.ts';
import { compareWithServers } from './capacity/check.ts';
import { type Figures, figuresSchema, fullCosts, imageMs, saturation } from './capacity/figures.ts';
import { measureFigures } from './capacity/measure.ts';
import { asServed, costOf, memoryMb, planFor } from './capacity/plan.ts';
import { expectEnd, readCommandLine, UsageError, wholeNumber } from './command-line.ts';

const USAGE = `usage: npm run capacity -- [options]

Simulates machines with the server, from what a model was measured to cost. Says how many keep
99 of 100 answers within a time at least, how many there are when 70 % of their cores may be busy,
as Kubernetes keeps them, and what those cost.

  --figures <file>       what a model costs, as JSON; measured here and written when there is no
                         such file (default: capacity-<model>.json)
  --model <name>         model to measure, where there is no such file (default:
                         resnet18_slim.tiny200)
  --photos <folder>      JPEGs to send (default: made-up pictures)
  --seconds <n>          of each measurement (default: 10)
  --rates <n,...>        images per second (default: 10,1000,100000)
  --p99 <ms>             time within which 99 of 100 answers must come (default: 100)
  --cores <n>            of a machine (default: 4)
  --processes <n>        servers on a machine (default: 1)
  --memory <GB>          of a machine (default: 8)
  --price <n>            of a machine and hour (default: 0.2)
  --max-batch <n>        MAX_BATCH_SIZE (default: 16)
  --check <n>            compares the simulation with so many servers on this machine instead`;

const options = readCommandLine(
  USAGE,
  {
    figures: { type: 'string' },
    model: { type: 'string', default: 'resnet18_slim.tiny200' },
    photos: { type: 'string' },
    seconds: { type: 'string', default: '10' },
    rates: { type: 'string', default: '10,1000,100000' },
    p99: { type: 'string', default: '100' },
    cores: { type: 'string', default: '4' },
    processes: { type: 'string', default: '1' },
    memory: { type: 'string', default: '8' },
    price: { type: 'string', default: '0.2' },
    'max-batch': { type: 'string', default: '16' },
    check: { type: 'string' },
  },
  ({ values, positionals }) => {
    expectEnd(positionals);
    const cores = wholeNumber('--cores', values.cores, 1);
    return {
      figures: resolve(values.figures ?? `capacity-${values.model}.json`),
      model: values.model,
      photos: values.photos,
      seconds: wholeNumber('--seconds', values.seconds, 1),
      rates: values.rates.split(',').map((text) => positive('--rates', text)),
      p99Ms: positive('--p99', values.p99),
      memoryGb: positive('--memory', values.memory),
      price: positive('--price', values.price),
      machine: {
        cores,
        processes: wholeNumber('--processes', values.processes, 1),
        // As the server has them: no more than four threads decode.
        decoders: Math.min(4, cores),
        engines: cores,
        maxBatch: wholeNumber('--max-batch', values['max-batch'], 1),
        queueLimit: 256,
      },
      check: values.check === undefined ? undefined : wholeNumber('--check', values.check, 1),
    };
  },
);

function positive(option: string, text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new UsageError(`${option}: "${text}" is not a number above 0`);
}

async function knownFigures(measured: Parameters<typeof measureFigures>[0]): Promise<Figures> {
  if (existsSync(options.figures)) return figuresSchema.parse(JSON.parse(await readFile(options.figures, 'utf8')));
  const figures = await measureFigures(measured);
  await writeFile(options.figures, `${JSON.stringify(figures, undefined, 2)}\n`);
  return figures;
}

function printPlans(figures: Figures): void {
  const { machine, price, memoryGb, p99Ms } = options;
  const served = asServed(figures, machine);
  const memory = memoryMb(figures, machine) / 1000;
  console.log(
    `${figures.model}: an image takes ${imageMs(fullCosts(figures), machine.maxBatch).toFixed(1)} ms of a core in batches of ` +
      `${served.maxBatch}; a machine of ${machine.cores} cores answers at most ${saturation(figures, machine).toFixed(0)} ` +
      `a second, and its processes take ${memory.toFixed(1)} GB`,
  );
  if (memory > memoryGb) throw new Error(`the machine has ${memoryGb} GB: too little`);
  console.log('images/s  fewest  machines  cores busy  p50 ms  p99 ms  a month  a million images');
  for (const rate of options.rates) {
    const { fewest, machines, outcome } = planFor({ rate, p99Ms }, figures, machine);
    const { month, millionImages } = costOf(machines, rate, price);
    const cells = [
      [String(rate), 8],
      [String(fewest), 8],
      [String(machines), 10],
      [`${(100 * outcome.utilisation).toFixed(0)} %`, 12],
      [percentile(outcome.latencies, 0.5).toFixed(1), 8],
      [percentile(outcome.latencies, 0.99).toFixed(1), 8],
      [month.toFixed(0), 9],
      [millionImages.toFixed(3), 18],
    ] as const;
    console.log(cells.map(([text, width]) => text.padStart(width)).join(''));
  }
}

const workDir = await mkdtemp(join(tmpdir(), 'menagerie-capacity-'));
try {
  const photos = join(workDir, 'photos');
  await mkdir(photos);
  await writePhotos(options.photos, photos);
  const measured = { ...options, photos, workDir, warmUpSeconds: options.seconds };
  const figures = await knownFigures(measured);
  if (options.check === undefined) printPlans(figures);
  else {
    // The file says which model it is of.
    const { model } = figures;
    const comparisons = await compareWithServers(options.check, figures, { ...measured, model });
    for (const { what, measured: real, simulated } of comparisons) {
      const ratio = (simulated / real).toFixed(2);
      console.log(`${what.padEnd(24)} servers ${real.toFixed(1)}, simulation ${simulated.toFixed(1)} (x ${ratio})`);
    }
  }
} finally {
  // Servers that are ending may still write.
  await rm(workDir, { recursive: true, force: true, maxRetries: 5 });
}
