import {
  bytes,
  double,
  encode,
  float,
  integer,
  many,
  message,
  one,
  text,
  type ValueOf,
  wideInteger,
} from '../../../common/protobuf.ts';

/*
 * The ONNX messages that are read or written here: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
 */

const stringStringEntry = message({ key: one(1, text), value: one(2, text) });
const dimension = message({ value: one(1, integer), parameter: one(2, text) });
const tensorShape = message({ dims: many(1, dimension) });
const tensorType = message({ elementType: one(1, integer), shape: one(2, tensorShape) });
const valueType = message({ tensor: one(1, tensorType) });
const valueInfo = message({ name: one(1, text), type: one(2, valueType) });
const operatorSet = message({ domain: one(1, text), version: one(2, integer) });

export const tensorProto = message({
  dims: many(1, integer),
  dataType: one(2, integer),
  floatData: many(4, float),
  int32Data: many(5, integer),
  int64Data: many(7, wideInteger),
  name: one(8, text),
  rawData: one(9, bytes),
  doubleData: many(10, double),
  uint64Data: many(11, wideInteger),
  externalData: many(13, stringStringEntry),
  dataLocation: one(14, integer),
});

const attribute = message({
  name: one(1, text),
  float: one(2, float),
  integer: one(3, wideInteger),
  string: one(4, bytes),
  tensor: one(5, tensorProto),
  /** An encoded `GraphProto`: a table cannot contain itself. */
  graph: one(6, bytes),
  floats: many(7, float),
  integers: many(8, wideInteger),
  strings: many(9, bytes),
  tensors: many(10, tensorProto),
  graphs: many(11, bytes),
  type: one(20, integer),
});

const node = message({
  inputs: many(1, text),
  outputs: many(2, text),
  name: one(3, text),
  operator: one(4, text),
  attributes: many(5, attribute),
  domain: one(7, text),
});

export const graphProto = message({
  nodes: many(1, node),
  name: one(2, text),
  initializers: many(5, tensorProto),
  inputs: many(11, valueInfo),
  outputs: many(12, valueInfo),
  /** Shapes of values inside the graph. Runtimes infer them. */
  valueInfos: many(13, bytes),
  quantization: many(14, bytes),
  sparseInitializers: many(15, bytes),
});

/** An operator that the model defines by other operators. */
const functionProto = message({ name: one(1, text), nodes: many(7, node), domain: one(10, text) });

export const modelProto = message({
  irVersion: one(1, integer),
  producer: one(2, text),
  producerVersion: one(3, text),
  graph: one(7, graphProto),
  operatorSets: many(8, operatorSet),
  metadata: many(14, stringStringEntry),
  training: many(20, bytes),
  functions: many(25, functionProto),
});

export type TensorProto = ValueOf<typeof tensorProto>;
export type AttributeProto = ValueOf<typeof attribute>;
export type NodeProto = ValueOf<typeof node>;
export type ValueInfoProto = ValueOf<typeof valueInfo>;
export type GraphProto = ValueOf<typeof graphProto>;
export type ModelProto = ValueOf<typeof modelProto>;

/** `TensorProto.DataType` */
export const DATA_TYPE = {
  float: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  float16: 10,
  double: 11,
  bfloat16: 16,
} as const;
/** `AttributeProto.AttributeType` */
export const ATTRIBUTE_TYPE = { float: 1, integer: 2, integers: 7 } as const;
/** `TensorProto.DataLocation` */
export const DATA_LOCATION = { external: 1 } as const;

/**
 * Fields of a model to write after its file: in protobuf, messages are joined by writing one after the other. The
 * metadata is added to what the file has, the version replaces that of the file.
 */
export function modelTail(producerVersion: string, properties: ReadonlyMap<string, string>): Uint8Array {
  const metadata = [...properties].map(([key, value]) => ({ key, value }));
  return encode(modelProto, { producerVersion, metadata });
}
