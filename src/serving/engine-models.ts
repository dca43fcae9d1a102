import { AppError } from '../common/errors.ts';
import type { ModelVersion } from '../registry/registry.ts';
import type { RuntimeName } from '../runtime/session.ts';
import { type ConvertedModel, requireFormat } from './conversion.ts';
import type { EngineModel } from './engine-messages.ts';

/** Threads beyond these hardly make one image of one model faster. */
const LONE_THREADS = 4;

/**
 * From this size on a model has one session for lone requests and loaded servers alike, with all threads. Layers so
 * large keep several threads busy: a VGG-16 gives 98 % of the images of a session per core, for a third of the memory.
 */
const LARGE_BYTES = 256 * 1024 * 1024;

/** What sessions of a model may take. */
export interface EngineLimits {
  /** Threads of one session under load. */
  readonly threads: number;
  readonly cores: number;
  /** Bytes of weights that the engines may hold. */
  readonly memoryBytes: number;
  /** How many batches of a model can run side by side. */
  readonly concurrency: (model: EngineModel) => number;
}

/** A model as engines load it. */
export interface EngineModels {
  /** With the threads that suit a loaded server. */
  readonly many: EngineModel;
  /** With as many as help a request that is alone: another session, in one engine. */
  readonly alone: EngineModel;
  /** Bytes of weights, over all sessions. */
  readonly bytes: number;
}

/**
 * How a model is loaded: in every engine and once more for lone requests, where its weights are small and fit so often; else
 * without the latter, and in fewer engines.
 * @throws AppError `model_unavailable` when it does not fit even once; `format_unavailable`
 */
export function engineModels(
  { name }: Pick<ModelVersion, 'name'>,
  converted: ConvertedModel,
  runtime: RuntimeName,
  { threads, cores, memoryBytes, concurrency }: EngineLimits,
): EngineModels {
  const { path, files, size } = requireFormat({ name }, converted, runtime);
  const { explanation } = converted;
  const explained = runtime === 'onnx' && 'path' in explanation ? { explanation } : {};
  const copies = Math.floor(memoryBytes / size);
  if (copies < 1) {
    throw new AppError(
      'model_unavailable',
      `model "${name}" has ${size} bytes of weights, and models may take ${memoryBytes}: raise MODEL_MEMORY_BYTES, ` +
        'or serve a smaller model',
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
  });
  // TensorFlow.js gains nothing from a second thread: its WebAssembly has one, its native part is slower on two.
  const most = runtime === 'onnx' ? Math.max(threads, Math.min(cores, LONE_THREADS)) : 1;
  const few = runtime === 'onnx' && size < LARGE_BYTES ? threads : most;
  const engines = Math.min(copies, concurrency(withThreads(few)));
  const many = { ...withThreads(few), engines };
  if (most === few || engines === copies) return { many, alone: many, bytes: size * engines };
  return { many, alone: { ...withThreads(most), engines: 1 }, bytes: size * (engines + 1) };
}
