/**
 * The messages of the Open Inference Protocol, version 2, in gRPC, and of the health checks of gRPC: field numbers of
 * https://github.com/triton-inference-server/common/blob/main/protobuf/grpc_service.proto and
 * https://github.com/grpc/grpc/blob/master/src/proto/grpc/health/v1/health.proto. In proto3 a field that is absent has
 * the value 0, false or ''.
 */
import { boolean, bytes, double, integer, many, message, one, text, type ValueOf } from '../common/protobuf.ts';
import { modelConfig } from './model-config.ts';

/** The service of the protocol. */
export const INFERENCE_SERVICE = 'inference.GRPCInferenceService';
/** The service of health checks. */
export const HEALTH_SERVICE = 'grpc.health.v1.Health';

/** A message without fields. */
export const empty = message({});

export const liveness = message({ live: one(1, boolean) });
export const readiness = message({ ready: one(1, boolean) });

/** A model, and a version of it; without one, the server chooses. */
export const modelReference = message({ name: one(1, text), version: one(2, text) });

export const serverMetadata = message({ name: one(1, text), version: one(2, text), extensions: many(3, text) });

const tensorMetadata = message({ name: one(1, text), datatype: one(2, text), shape: many(3, integer) });
export const modelMetadata = message({
  name: one(1, text),
  versions: many(2, text),
  platform: one(3, text),
  inputs: many(4, tensorMetadata),
  outputs: many(5, tensorMetadata),
});

/** One of its fields is set. */
const parameter = message({
  boolean: one(1, boolean),
  integer: one(2, integer),
  text: one(3, text),
  double: one(4, double),
  unsigned: one(5, integer),
});
const parameterEntry = message({ key: one(1, text), value: one(2, parameter) });
export type ParameterEntry = ValueOf<typeof parameterEntry>;

/** Values of a tensor. Numbers are packed, and stay as they came: bytes of varints, or of little-endian floats. */
const tensorContents = message({
  booleans: many(1, bytes),
  integers: many(2, bytes),
  wideIntegers: many(3, bytes),
  unsigned: many(4, bytes),
  wideUnsigned: many(5, bytes),
  floats: many(6, bytes),
  doubles: many(7, bytes),
  bytes: many(8, bytes),
});
export type TensorContents = ValueOf<typeof tensorContents>;

/** A tensor of a request or of an answer. */
const tensor = message({
  name: one(1, text),
  datatype: one(2, text),
  shape: many(3, integer),
  parameters: many(4, parameterEntry),
  /** Absent where the values are raw. */
  contents: one(5, tensorContents),
});
export type TensorMessage = ValueOf<typeof tensor>;

export const inferenceRequest = message({
  model: one(1, text),
  version: one(2, text),
  id: one(3, text),
  parameters: many(4, parameterEntry),
  inputs: many(5, tensor),
  outputs: many(6, message({ name: one(1, text), parameters: many(2, parameterEntry) })),
  /** Raw values, little-endian and row-major, of each input. */
  raw: many(7, bytes),
});

export const inferenceResponse = message({
  model: one(1, text),
  version: one(2, text),
  id: one(3, text),
  parameters: many(4, parameterEntry),
  outputs: many(5, tensor),
  /** Raw values of each output, or of none. */
  raw: many(6, bytes),
});

export const modelConfigResponse = message({ config: one(1, modelConfig) });

/** How often something happened, and the nanoseconds that it took in all. */
const duration = message({ count: one(1, integer), ns: one(2, integer) });
const inferenceStatistics = message({
  success: one(1, duration),
  fail: one(2, duration),
  queue: one(3, duration),
  compute_input: one(4, duration),
  compute_infer: one(5, duration),
  compute_output: one(6, duration),
  cache_hit: one(7, duration),
  cache_miss: one(8, duration),
});
const batchStatistics = message({
  batch_size: one(1, integer),
  compute_input: one(2, duration),
  compute_infer: one(3, duration),
  compute_output: one(4, duration),
});
/** The fields have the names that they have in JSON. */
export const statisticsResponse = message({
  model_stats: many(
    1,
    message({
      name: one(1, text),
      version: one(2, text),
      last_inference: one(3, integer),
      inference_count: one(4, integer),
      execution_count: one(5, integer),
      inference_stats: one(6, inferenceStatistics),
      batch_stats: many(7, batchStatistics),
    }),
  ),
});

export const indexRequest = message({ repository: one(1, text), ready: one(2, boolean) });
const indexEntry = message({ name: one(1, text), version: one(2, text), state: one(3, text), reason: one(4, text) });
export const indexResponse = message({ models: many(1, indexEntry) });

/** Of loading and unloading. */
export const repositoryRequest = message({
  repository: one(1, text),
  model: one(2, text),
  parameters: many(3, parameterEntry),
});

export const healthRequest = message({ service: one(1, text) });
export const healthResponse = message({ status: one(1, integer) });
/** `HealthCheckResponse.ServingStatus` */
export const HEALTH_STATUS = { serving: 1, notServing: 2, serviceUnknown: 3 } as const;

/** The values of parameters by their names; of a name that is repeated, the last one counts. */
export function parameterValues(entries: readonly ParameterEntry[] = []): Record<string, unknown> {
  return Object.fromEntries(
    entries.map(({ key = '', value = {} }) => [
      key,
      value.boolean ?? value.integer ?? value.text ?? value.double ?? value.unsigned,
    ]),
  );
}
