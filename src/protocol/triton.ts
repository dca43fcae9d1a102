/** Documents of Triton's extensions "model configuration" and "statistics", which its clients read. */
import type { TensorSpecification } from '../answering/tensor-inference.ts';
import type { Config } from '../config.ts';
import type { CountAndTime, InferenceStatistics } from '../metrics/inference-statistics.ts';
import { DATA_TYPE, FORMAT, type ModelConfig } from '../oip/model-config.ts';
import { weightsParameter } from '../oip/triton-repository.ts';
import { OUTPUT_NAMES } from '../runtime/session.ts';
import { INPUT_NAME } from './inference-request.ts';
import { PLATFORM } from './model-metadata.ts';

/** The settings that a model's configuration shows. */
export type BatchSettings = Pick<Config, 'maxImages' | 'maxBatchSize' | 'maxDelayMs'>;

/** `ModelConfiguration` of `openapi.yaml`. Dimensions are those of one image. */
export function configurationDocument(
  { model, input, outputs }: TensorSpecification,
  { maxImages, maxBatchSize, maxDelayMs }: BatchSettings,
) {
  const [, ...dims] = input;
  return {
    name: model,
    platform: PLATFORM,
    backend: 'onnxruntime',
    max_batch_size: maxImages,
    input: [{ name: INPUT_NAME, data_type: 'TYPE_UINT8', format: 'FORMAT_NHWC', dims, optional: false }],
    output: OUTPUT_NAMES.flatMap((name) => {
      const shape = outputs[name];
      return shape === undefined ? [] : [{ name, data_type: 'TYPE_FP32', dims: shape.slice(1) }];
    }),
    dynamic_batching: {
      preferred_batch_size: [maxBatchSize],
      max_queue_delay_microseconds: maxDelayMs * 1_000,
    },
  };
}

/** The same as a message of gRPC, with the digest of the weights, as an export for Triton has it. */
export function configurationMessage(specification: TensorSpecification, settings: BatchSettings): ModelConfig {
  const document = configurationDocument(specification, settings);
  const { name, platform, backend, dynamic_batching: batching } = document;
  return {
    name,
    platform,
    backend,
    maxBatchSize: document.max_batch_size,
    inputs: document.input.map(({ name, dims }) => ({ name, dataType: DATA_TYPE.uint8, format: FORMAT.nhwc, dims })),
    outputs: document.output.map(({ name, dims }) => ({ name, dataType: DATA_TYPE.float, dims })),
    dynamicBatching: {
      preferredBatchSizes: batching.preferred_batch_size,
      maxQueueDelayMicroseconds: batching.max_queue_delay_microseconds,
    },
    parameters: [{ key: weightsParameter(specification.version), value: { text: specification.weightsSha256 } }],
  };
}

/** Reads what a version has computed. */
type StatisticsSource = Pick<InferenceStatistics, 'of'>;

/** What a model has computed: the version that a reference names, or all versions where it names none. */
export function modelStatistics(
  reference: string,
  { model, version, versions }: TensorSpecification,
  statistics: StatisticsSource,
) {
  return (reference.includes('@') ? [version] : versions).map((each) => statisticsDocument(model, each, statistics));
}

/** What all models have computed. @param index of the repository; what cannot be loaded has no version there */
export function allStatistics(
  index: readonly { readonly name: string; readonly version?: string }[],
  statistics: StatisticsSource,
) {
  return index.flatMap(({ name, version }) =>
    version === undefined ? [] : statisticsDocument(name, Number(version), statistics),
  );
}

/** An entry of `ModelStatistics` of `openapi.yaml`. Triton counts requests; here each image counts as one. */
function statisticsDocument(name: string, version: number, statistics: StatisticsSource) {
  const { lastImageAt, succeeded, failed, queued, decoded, computed, batches } = statistics.of({ name, version });
  const none = { count: succeeded.count, ms: 0 };
  return {
    name,
    version: String(version),
    last_inference: lastImageAt,
    inference_count: succeeded.count,
    execution_count: batches.reduce((sum, { batches: { count } }) => sum + count, 0),
    inference_stats: {
      success: duration(succeeded),
      fail: duration(failed),
      queue: duration(queued),
      compute_input: duration(decoded),
      compute_infer: duration(computed),
      compute_output: duration(none),
      cache_hit: duration({ count: 0, ms: 0 }),
      cache_miss: duration({ count: 0, ms: 0 }),
    },
    batch_stats: batches.map(({ images, batches: each }) => ({
      batch_size: images,
      compute_input: duration({ count: each.count, ms: 0 }),
      compute_infer: duration(each),
      compute_output: duration({ count: each.count, ms: 0 }),
    })),
  };
}

function duration({ count, ms }: CountAndTime): { readonly count: number; readonly ns: number } {
  return { count, ns: Math.round(ms * 1e6) };
}
