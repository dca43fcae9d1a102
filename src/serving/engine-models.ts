import { AppError } from '../common/errors.ts';
import type { ModelVersion } from '../registry/registry.ts';
import type { ExecutionProvider } from '../runtime/execution-provider.ts';
import type { RuntimeName } from '../runtime/session.ts';
import { type ConvertedModel, requireFormat } from './conversion-cache.ts';
import type { EngineModel, EngineVersion } from './engine-messages.ts';

/** More threads hardly make one image of one model faster. */
const LONE_THREADS = 4;

/**
 * A model of this size or more has a single session with all threads. Its large layers keep several threads busy: a
 * VGG-16 computes 98 % of the images per second that one session per core would, with a third of the memory.
 */
const LARGE_BYTES = 256 * 1024 * 1024;

/** The limits on the sessions of a model. */
export interface EngineLimits {
  /** Threads of one session under load. */
  readonly threads: number;
  readonly cores: number;
  /** Bytes of weights that the engines may hold. */
  readonly memoryBytes: number;
  /** What ONNX Runtime computes on; the processor when absent. */
  readonly provider?: ExecutionProvider;
  /** What engines that have models under their names call the model. */
  readonly version?: EngineVersion;
  /** The number of batches of a model that can run at once. */
  readonly concurrency: (model: EngineModel) => number;
}

/** The sessions of a model. */
export interface EngineModels {
  /** For a loaded server: few threads each. */
  readonly many: EngineModel;
  /**
   * For a request that is alone: as many threads as make it faster. It is the same as `many`, or in one engine more.
   */
  readonly alone: EngineModel;
  /** Bytes of the weights, over all sessions. */
  readonly bytes: number;
}

/**
 * The sessions that a model gets: one in each engine and another one for lone requests. A large model, or one of
 * which so many copies do not fit into the memory, gets none for lone requests, and is loaded into fewer engines.
 * @throws AppError `model_unavailable` when not even one copy fits; `format_unavailable`
 */
export function engineModels(
  { name }: Pick<ModelVersion, 'name'>,
  converted: ConvertedModel,
  runtime: RuntimeName,
  { threads, cores, memoryBytes, provider, version, concurrency }: EngineLimits,
): EngineModels {
  const { path, files, size } = requireFormat({ name }, converted, runtime);
  const { explanation } = converted;
  const explained = runtime === 'onnx' && 'path' in explanation ? { explanation } : {};
  const copies = Math.floor(memoryBytes / size);
  if (copies < 1) {
    throw new AppError(
      'model_unavailable',
      `model "${name}" has ${size} bytes of weights, and all models together may take ${memoryBytes}: ` +
        'raise MODEL_MEMORY_BYTES, or use a smaller model',
      { context: { size_bytes: size, max_bytes: memoryBytes } },
    );
  }
  const withThreads = (count: number): EngineModel => ({
    key: `${converted.key}/${runtime}/${count}`,
    runtime,
    path,
    files,
    ...explained,
    threads: count,
    ...(runtime === 'onnx' && provider && { provider }),
    ...(version && { version }),
  });
  // TensorFlow.js is not faster on two threads: its WebAssembly has one, and its native library is slower.
  const most = runtime === 'onnx' ? Math.max(threads, Math.min(cores, LONE_THREADS)) : 1;
  const few = runtime === 'onnx' && size < LARGE_BYTES ? threads : most;
  const engines = Math.min(copies, concurrency(withThreads(few)));
  const many = { ...withThreads(few), engines };
  if (most === few || engines === copies) return { many, alone: many, bytes: size * engines };
  return { many, alone: { ...withThreads(most), engines: 1 }, bytes: size * (engines + 1) };
}
