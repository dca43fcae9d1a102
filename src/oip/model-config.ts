/**
 * The configuration of a model on Triton, as far as it is read or written here: field numbers of
 * https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto.
 */
import { integer, many, message, one, text, type ValueOf } from '../common/protobuf.ts';

/** `DataType` */
export const DATA_TYPE = { uint8: 2, float: 11 } as const;
/** `ModelInput.Format` */
export const FORMAT = { nhwc: 1 } as const;

const input = message({
  name: one(1, text),
  dataType: one(2, integer),
  format: one(3, integer),
  dims: many(4, integer),
});
const output = message({ name: one(1, text), dataType: one(2, integer), dims: many(3, integer) });
const instanceGroup = message({ name: one(1, text), count: one(2, integer) });
const batching = message({ preferredBatchSizes: many(1, integer), maxQueueDelayMicroseconds: one(2, integer) });
const parameterEntry = message({ key: one(1, text), value: one(2, message({ text: one(1, text) })) });

export const modelConfig = message({
  name: one(1, text),
  platform: one(2, text),
  maxBatchSize: one(4, integer),
  inputs: many(5, input),
  outputs: many(6, output),
  /** How many batches of the model are computed at once. */
  instanceGroups: many(7, instanceGroup),
  dynamicBatching: one(11, batching),
  parameters: many(14, parameterEntry),
  backend: one(17, text),
});
export type ModelConfig = ValueOf<typeof modelConfig>;
