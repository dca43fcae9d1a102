import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { writeFileDurably } from '../common/durable-files.ts';
import { messageOf } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import { Mutex } from '../common/mutex.ts';
import { elementCount, type PixelTensor, type Tensor } from '../common/tensor.ts';
import type { OutputName, RuntimeName } from '../runtime/session.ts';
import type { ConvertedModel } from '../serving/conversion.ts';
import { EngineProcess } from '../serving/engine-process.ts';
import { comparisonPictures, likeliest } from './comparison-pictures.ts';

/** Kept beside the files that it compares. */
const REPORT_FILE = 'parity.json';
const PICTURES = 8;
/** The most that a probability should differ. */
const TOLERANCE = 1e-3;
const COMPARED = ['probabilities', 'logits', 'features'] as const satisfies readonly OutputName[];
/** A comparison has all the time that nobody else needs. */
const NICENESS = 19;
const END_GRACE_MS = 1_000;

const fileSchema = z.object({
  backend: z.string(),
  version: z.string(),
  sha256: z.string(),
  size_bytes: z.number(),
});

const reportSchema = z.object({
  /** ISO 8601 in UTC. */
  measured_at: z.string(),
  pictures: z.number(),
  /** Of probabilities; of logits and features as a share of the largest value there is. */
  max_difference: z.object({ probabilities: z.number(), logits: z.number(), features: z.number() }),
  /** Share of the pictures for which both find the same class the likeliest. */
  top1_agreement: z.number(),
  tolerance: z.number(),
  within_tolerance: z.boolean(),
  onnx: fileSchema,
  tfjs: fileSchema,
});

/** How far the two formats of a model are apart, in the words of the card. */
export type FormatParityReport = z.output<typeof reportSchema>;

/** The report of a converted model, once there is one. */
export async function readFormatParity({
  onnx,
}: Pick<ConvertedModel, 'onnx'>): Promise<FormatParityReport | undefined> {
  const text = await readFile(join(dirname(onnx.path), REPORT_FILE), 'utf8').catch(() => undefined);
  const parsed = reportSchema.safeParse(text === undefined ? undefined : JSON.parse(text));
  return parsed.data;
}

/**
 * Compares ONNX and TF.js after each conversion, one model at a time, each format in a process of its own that ends with it:
 * no request waits for that, and the server holds no memory for it.
 */
export class FormatParity {
  readonly #logger: Logger;
  readonly #oneAtATime = new Mutex();
  readonly #planned = new Set<string>();
  #engine: EngineProcess | undefined;
  #closed = false;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Has a model compared, unless it has been, or comes in one format alone. Settles when that is done, or has failed. */
  async compare(name: string, converted: ConvertedModel): Promise<void> {
    const { key, onnx, tfjs, inputSize } = converted;
    if (tfjs === undefined || this.#planned.has(key)) return;
    this.#planned.add(key);
    await this.#oneAtATime.run(async () => {
      if (this.#closed || (await readFormatParity(converted)) !== undefined) return;
      try {
        const pictures = comparisonPictures(PICTURES, inputSize);
        const report = reportOf(
          { ...(await this.#run('onnx', onnx.path, pictures)), ...onnx },
          { ...(await this.#run('tfjs', tfjs.path, pictures)), ...tfjs },
        );
        await writeFileDurably(join(dirname(onnx.path), REPORT_FILE), `${JSON.stringify(report, null, 2)}\n`);
        const { top1_agreement, max_difference, within_tolerance } = report;
        const level = within_tolerance ? 'info' : 'error';
        this.#logger[level]({ model: name, top1_agreement, max_difference }, 'ONNX and TF.js were compared');
      } catch (thrown) {
        if (!this.#closed) this.#logger.warn({ model: name, reason: messageOf(thrown) }, 'formats cannot be compared');
      }
    });
  }

  /** Ends what is under way; it is begun again at the next start. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#engine?.kill();
    await this.#oneAtATime.run(async () => undefined);
  }

  async #run(runtime: RuntimeName, path: string, { data, shape }: PixelTensor): Promise<Answers> {
    if (this.#closed) throw new Error('the server is stopping');
    const engine = new EngineProcess(NICENESS, this.#logger);
    this.#engine = engine;
    try {
      const image = shape.slice(1);
      const rows: Tensor[][] = [];
      for (let row = 0; row < PICTURES; row += 1) {
        const pixels = data.slice(row * elementCount(image), (row + 1) * elementCount(image));
        // One at a time: the memory of a batch of a large model is none to spend on this.
        const outputs = await engine.run(
          { key: path, runtime, path, threads: 1 },
          { data: pixels, shape: [1, ...image] },
          COMPARED,
        );
        rows.push(COMPARED.flatMap((name) => outputs[name] ?? []));
      }
      const [loaded] = engine.loaded;
      return { rows, backend: loaded?.backend ?? 'unknown', version: loaded?.version ?? 'unknown' };
    } finally {
      this.#engine = undefined;
      await engine.end(END_GRACE_MS);
    }
  }
}

/** What one format answers: for each picture its outputs, in the order of `COMPARED`. */
interface Answers {
  readonly rows: readonly (readonly Tensor[])[];
  readonly backend: string;
  readonly version: string;
}

type FormatAnswers = Answers & { readonly sha256: string; readonly size: number };

function reportOf(onnx: FormatAnswers, tfjs: FormatAnswers): FormatParityReport {
  const [probabilities, logits, features] = COMPARED.map((_, output) => {
    const pairs = onnx.rows.flatMap((row, picture) => {
      const [a, b] = [row[output], tfjs.rows[picture]?.[output]];
      return a === undefined || b === undefined ? [] : [{ a, b }];
    });
    const difference = Math.max(
      ...pairs.map(({ a, b }) => largest(a.data.map((value, i) => value - (b.data[i] ?? Number.NaN)))),
    );
    const scale = Math.max(...pairs.map(({ a }) => largest(a.data)));
    return { difference, relative: scale === 0 ? difference : Math.min(difference / scale, Number.MAX_VALUE) };
  });
  if (probabilities === undefined || logits === undefined || features === undefined)
    throw new Error('nothing was compared');
  const best = ({ rows }: FormatAnswers): (number | undefined)[] =>
    rows.map(([first]) => (first === undefined ? undefined : likeliest(first)[0]));
  const [ours, theirs] = [best(onnx), best(tfjs)];
  const agreeing = ours.filter((index, picture) => index === theirs[picture]).length;
  const fileOf = ({ backend, version, sha256, size }: FormatAnswers) => ({
    backend,
    version,
    sha256,
    size_bytes: size,
  });
  return {
    measured_at: new Date().toISOString(),
    pictures: PICTURES,
    max_difference: {
      probabilities: probabilities.difference,
      logits: logits.relative,
      features: features.relative,
    },
    top1_agreement: agreeing / PICTURES,
    tolerance: TOLERANCE,
    within_tolerance: probabilities.difference <= TOLERANCE,
    onnx: fileOf(onnx),
    tfjs: fileOf(tfjs),
  };
}

/** The largest absolute value; what is no number is larger than any. */
function largest(values: Float32Array): number {
  return values.reduce((most, value) => Math.max(most, Number.isFinite(value) ? Math.abs(value) : Number.MAX_VALUE), 0);
}
