import { createReadStream } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { decode } from '../../../common/protobuf.ts';
import { ConversionError } from '../../conversion-error.ts';
import { openFile } from '../byte-source.ts';
import {
  DATA_LOCATION,
  type GraphProto,
  graphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
} from './proto.ts';
import { readSkeleton, type SkeletonTensor } from './skeleton.ts';
import type { WritableTensor } from './writer.ts';

/** Versions that ONNX Runtime supports. Opset 7 is of 2018. */
const OPSETS = { oldest: 7, newest: 25 } as const;
const IR_VERSIONS = { oldest: 3, newest: 13 } as const;
/** Far more than any classifier has; limits the memory for names and edges. */
const MAX_NODES = 100_000;

/** A foreign model. Everything but its weights is in memory; the weights are read on demand. */
export interface OnnxFile {
  /** The model without its graph. */
  readonly model: ModelProto;
  /** The graph without its initializers. */
  readonly graph: GraphProto;
  readonly tensors: readonly WritableTensor[];
  /** Names of files beside the model that hold some of its weights. */
  readonly dataFiles: readonly string[];
}

/**
 * Reads an ONNX file and locates its weights, inside the file or in files beside it.
 *
 * @throws ConversionError when the file is malformed, its version is not supported, or a file of weights is missing or
 * not beside the model; the error of the file system when the file cannot be opened
 */
export async function readOnnxFile(path: string): Promise<OnnxFile> {
  const bytes = await openFile(path);
  try {
    const { model, graph, tensors } = await readSkeleton(bytes);
    checkVersions(model);
    checkContents(model, graph);
    const located = await Promise.all(tensors.map((tensor) => locate(tensor, path)));
    const outside = tensors.filter(({ proto }) => proto.dataLocation === DATA_LOCATION.external);
    const dataFiles = [...new Set(outside.map(({ proto }) => locationOf(proto)))];
    return { model, graph, tensors: located, dataFiles };
  } finally {
    await bytes.close();
  }
}

/** The graphs inside a node, such as the branches of If or the body of Loop. */
export function subgraphs({ attributes = [] }: NodeProto): GraphProto[] {
  const encoded = attributes.flatMap(({ graph, graphs = [] }) => (graph === undefined ? graphs : [graph, ...graphs]));
  return encoded.map((bytes) => decode(graphProto, bytes));
}

function checkVersions({ irVersion = 0, operatorSets = [] }: ModelProto): void {
  if (irVersion < IR_VERSIONS.oldest || irVersion > IR_VERSIONS.newest) {
    throw new ConversionError(
      `the model has IR version ${irVersion}; versions ${IR_VERSIONS.oldest} to ${IR_VERSIONS.newest} are supported`,
    );
  }
  const opset = operatorSets.find(({ domain = '' }) => domain === '' || domain === 'ai.onnx')?.version ?? 0;
  if (opset < OPSETS.oldest || opset > OPSETS.newest) {
    throw new ConversionError(
      `the model has opset ${opset}; opsets ${OPSETS.oldest} to ${OPSETS.newest} are supported`,
    );
  }
}

function checkContents({ functions = [] }: ModelProto, graph: GraphProto): void {
  if ((graph.sparseInitializers ?? []).length > 0)
    throw new ConversionError('the model has sparse weights, which are not supported');
  let count = 0;
  const visit = (nodes: readonly NodeProto[]): void => {
    count += nodes.length;
    if (count > MAX_NODES) throw new ConversionError(`the model has more than ${MAX_NODES} nodes`);
    for (const node of nodes) {
      for (const { tensor, tensors = [] } of node.attributes ?? []) {
        for (const constant of tensor === undefined ? tensors : [tensor, ...tensors]) refuseOutside(constant, node);
      }
      for (const inner of subgraphs(node)) {
        for (const constant of inner.initializers ?? []) refuseOutside(constant, node);
        visit(inner.nodes ?? []);
      }
    }
  };
  for (const nodes of [graph.nodes ?? [], ...functions.map((each) => each.nodes ?? [])]) visit(nodes);
}

function refuseOutside({ dataLocation }: TensorProto, { operator, name }: NodeProto): void {
  if (dataLocation !== DATA_LOCATION.external) return;
  throw new ConversionError(`the constant inside ${operator} "${name}" is in another file; only initializers may be`);
}

/** Locates the values of a tensor: in `proto`, in the file of the model, or in a file beside it. */
async function locate({ proto, values }: SkeletonTensor, modelPath: string): Promise<WritableTensor> {
  if (proto.dataLocation === DATA_LOCATION.external) return await locateOutside(proto, modelPath);
  if (values === undefined) return { proto };
  return { proto, values: { field: values.field, ...fileRange(modelPath, values.begin, values.end) } };
}

async function locateOutside(proto: TensorProto, modelPath: string): Promise<WritableTensor> {
  const { name } = proto;
  const entries = new Map((proto.externalData ?? []).map(({ key, value }) => [key, value]));
  const location = locationOf(proto);
  if (location !== basename(location) || /^\.{0,2}$|[\\\0]/.test(location)) {
    throw new ConversionError(
      `tensor "${name}" is in "${location}", which must be the name of a file beside the model`,
    );
  }
  const path = join(dirname(modelPath), location);
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined)
    throw new ConversionError(`"${location}", which has tensor "${name}", is missing beside the model`);
  if (!found.isFile()) throw new ConversionError(`"${location}", which has tensor "${name}", is not a regular file`);
  const begin = Number(entries.get('offset') ?? 0);
  const end = entries.has('length') ? begin + Number(entries.get('length')) : found.size;
  if (!Number.isSafeInteger(begin) || !Number.isSafeInteger(end) || begin < 0 || end < begin || end > found.size) {
    throw new ConversionError(
      `tensor "${name}" should be bytes ${begin} to ${end} of "${location}", which has ${found.size} bytes`,
    );
  }
  const { externalData: _, dataLocation: __, ...rest } = proto;
  return { proto: rest, values: { field: 'rawData', ...fileRange(path, begin, end) } };
}

function locationOf({ externalData = [] }: TensorProto): string {
  return externalData.find(({ key }) => key === 'location')?.value ?? '';
}

function fileRange(path: string, begin: number, end: number) {
  return {
    length: end - begin,
    read: async function* (): AsyncGenerator<Uint8Array> {
      // `end` of a stream is inclusive, so an empty range cannot be expressed.
      if (end > begin) yield* createReadStream(path, { start: begin, end: end - 1, highWaterMark: 1024 * 1024 });
    },
  };
}
