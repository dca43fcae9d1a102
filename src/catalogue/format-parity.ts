import { dirname, join } from 'node:path';
import { z } from 'zod';
import { BACKGROUND_LIMITS, backgroundLaunch } from '../common/background-launch.ts';
import { readCheckedJson, writeCheckedJson } from '../common/checked-json.ts';
import { messageOf } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import { Mutex } from '../common/mutex.ts';
import { elementCount, type PixelTensor, type Tensor } from '../common/tensor.ts';
import type { OutputName, RuntimeName } from '../runtime/session.ts';
import { hasTensorFlow } from '../runtime/tensorflow-packages.ts';
import type { ConvertedModel } from '../serving/conversion-cache.ts';
import { EngineProcess, isDamage } from '../serving/engine-process.ts';
import { argmaxRows, syntheticImages } from './synthetic-images.ts';

/** The report's file, beside the converted files. */
const REPORT_FILE = 'parity.json';
const PICTURES = 8;
/** The largest acceptable difference of a probability. */
const TOLERANCE = 1e-3;
const COMPARED = ['probabilities', 'logits', 'features'] as const satisfies readonly OutputName[];
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
  /** Absolute for probabilities; for logits and features relative to the largest value. */
  max_difference: z.object({ probabilities: z.number(), logits: z.number(), features: z.number() }),
  /** Share of the pictures for which both have the same most probable class. */
  top1_agreement: z.number(),
  tolerance: z.number(),
  within_tolerance: z.boolean(),
  onnx: fileSchema,
  tfjs: fileSchema,
});

/** How much the answers of a model's two formats differ, as the model card shows it. */
export type FormatParityReport = z.output<typeof reportSchema>;

/** The report of a converted model; undefined where there is none, or where it is damaged or of other files. */
export async function readFormatParity({
  onnx,
  tfjs,
}: Pick<ConvertedModel, 'onnx' | 'tfjs'>): Promise<FormatParityReport | undefined> {
  const report = await readCheckedJson(reportPath(onnx), reportSchema);
  return report?.onnx.sha256 === onnx.sha256 && report.tfjs.sha256 === tfjs?.sha256 ? report : undefined;
}

function reportPath(onnx: ConvertedModel['onnx']): string {
  return join(dirname(onnx.path), REPORT_FILE);
}

/**
 * Compares the answers of ONNX and TF.js after each conversion, one model at a time. Each format runs in a process of
 * its own that ends afterwards: no request waits for it, and the server keeps no memory for it.
 */
export class FormatParity {
  readonly #logger: Logger;
  readonly #oneAtATime = new Mutex();
  /** Keys of the models that were compared, or wait for it. */
  readonly #planned = new Set<string>();
  #engine: EngineProcess | undefined;
  #closed = false;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /**
   * Queues a comparison of a model's formats, unless it has been compared, has one format only, or TensorFlow.js is not
   * installed. Failures are logged.
   */
  compare(name: string, converted: ConvertedModel): void {
    const { key, tfjs } = converted;
    if (tfjs === undefined || this.#planned.has(key) || !hasTensorFlow()) return;
    this.#planned.add(key);
    this.#oneAtATime
      .run(() => this.#compare(name, { ...converted, tfjs }))
      .catch((thrown: unknown) => {
        // Serving the model repairs a damaged file; its next use plans the comparison again.
        if (isDamage(thrown)) this.#planned.delete(key);
        if (!this.#closed) this.#logger.warn({ model: name, reason: messageOf(thrown) }, 'formats cannot be compared');
      });
  }

  /** Settles when no comparison is running or waiting. */
  async idle(): Promise<void> {
    await this.#oneAtATime.run(async () => undefined);
  }

  /** Aborts the running comparison and drops those that wait: the next start of the server makes them. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#engine?.kill();
    await this.idle();
  }

  async #compare(name: string, converted: ComparableModel): Promise<void> {
    const { onnx, tfjs, inputSize } = converted;
    if (this.#closed || (await readFormatParity(converted)) !== undefined) return;
    const pictures = syntheticImages(PICTURES, inputSize);
    const report = reportOf(
      { ...(await this.#run('onnx', onnx, pictures)), ...onnx },
      { ...(await this.#run('tfjs', tfjs, pictures)), ...tfjs },
    );
    await writeCheckedJson(reportPath(onnx), report);
    const { top1_agreement, max_difference, within_tolerance } = report;
    const level = within_tolerance ? 'info' : 'error';
    this.#logger[level]({ model: name, top1_agreement, max_difference }, 'ONNX and TF.js were compared');
  }

  async #run(
    runtime: RuntimeName,
    { path, files }: ConvertedModel['onnx'],
    { data, shape }: PixelTensor,
  ): Promise<RuntimeAnswers> {
    const launch = await backgroundLaunch();
    if (this.#closed) throw new Error('the server is stopping');
    const engine = new EngineProcess(this.#logger, { launch, limits: BACKGROUND_LIMITS });
    this.#engine = engine;
    try {
      const image = shape.slice(1);
      const rows: Tensor[][] = [];
      for (let row = 0; row < PICTURES; row += 1) {
        const pixels = data.slice(row * elementCount(image), (row + 1) * elementCount(image));
        // One picture at a time: a batch of a large model would take too much memory.
        const { outputs } = await engine.run(
          { key: path, runtime, path, files, threads: 1 },
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

type ComparableModel = ConvertedModel & { readonly tfjs: ConvertedModel['onnx'] };

/** The answers of one runtime, and what computed them. */
interface RuntimeAnswers {
  /** For each picture its outputs, in the order of `COMPARED`. */
  readonly rows: readonly (readonly Tensor[])[];
  readonly backend: string;
  readonly version: string;
}

type FormatAnswers = RuntimeAnswers & { readonly sha256: string; readonly size: number };

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
    rows.map(([first]) => (first === undefined ? undefined : argmaxRows(first)[0]));
  const [onnxBest, tfjsBest] = [best(onnx), best(tfjs)];
  const agreeing = onnxBest.filter((index, picture) => index === tfjsBest[picture]).length;
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

/** The largest absolute value; NaN and infinity count as `Number.MAX_VALUE`. */
function largest(values: Float32Array): number {
  return values.reduce((most, value) => Math.max(most, Number.isFinite(value) ? Math.abs(value) : Number.MAX_VALUE), 0);
}
